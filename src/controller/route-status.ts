import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { Condition, RouteObject } from '../kube/index.js';
import type { ParentVerdict, Verdict } from '../model/index.js';

/** An entry of `status.parents` that we write. */
interface ParentStatus {
  readonly parentRef: ParentVerdict['parent']['written'];
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/**
 * What `status.parents` of a route should be: the entries of other controllers as they are, then one of ours for each
 * of its parents that is a Service. Undefined when it is that already.
 */
export function routeParents(
  object: RouteObject,
  verdicts: readonly ParentVerdict[],
  now: number,
): readonly unknown[] | undefined {
  const ours = object.parents.filter(isOurs);
  const wanted = verdicts.map((verdict) => parentStatus(object, ours, verdict, now));
  if (sameEntries(ours, wanted)) return undefined;
  return [...object.parents.filter((entry) => !isOurs(entry)), ...wanted];
}

function isOurs(entry: unknown): entry is ParentStatus {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    'controllerName' in entry &&
    entry.controllerName === names.ROUTE_CONTROLLER
  );
}

function parentStatus(
  object: RouteObject,
  ours: readonly ParentStatus[],
  verdict: ParentVerdict,
  now: number,
): ParentStatus {
  const { written } = verdict.parent;
  const before = ours.find(({ parentRef }) => isDeepStrictEqual(parentRef, written))?.conditions ?? [];
  const stamp = stamper(object, before, now);
  const { accepted, resolvedRefs, partiallyInvalid } = verdict;
  return {
    parentRef: written,
    controllerName: names.ROUTE_CONTROLLER,
    conditions: [
      stamp('Accepted', accepted),
      stamp('ResolvedRefs', resolvedRefs),
      ...(partiallyInvalid === undefined ? [] : [stamp('PartiallyInvalid', partiallyInvalid)]),
    ],
  };
}

/** The time of the last transition is that of the status, not of the words beside it. */
function stamper(
  object: RouteObject,
  before: readonly Condition[],
  now: number,
): (type: string, verdict: Verdict) => Condition {
  return (type, { status, reason, message }) => {
    const existing = before.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message,
      observedGeneration: object.metadata.generation,
      lastTransitionTime:
        existing?.status === status
          ? existing.lastTransitionTime
          : new Date(now).toISOString().replace(/\.\d+Z$/, 'Z'),
    };
  };
}

/** The time of a transition is what it was wherever the rest is, so all of it may be compared. */
function sameEntries(ours: readonly ParentStatus[], wanted: readonly ParentStatus[]): boolean {
  return isDeepStrictEqual(ours, wanted);
}
