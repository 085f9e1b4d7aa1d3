import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { RouteObject } from '../kube/index.js';
import type { ParentVerdict } from '../model/index.js';
import { type OwnEntry, stamper, withOwnEntries } from './own-entries.js';

/** An entry of `status.parents` that we write. */
interface ParentStatus extends OwnEntry {
  readonly parentRef: ParentVerdict['parent']['written'];
}

/** As many as the API allows. */
const MAX_PARENTS = 32;

/**
 * What `status.parents` of a route should be: the entries of other controllers as they are, then one of ours for each
 * of its parents that is a Service. Undefined when it is that already.
 */
export function routeParents(
  object: RouteObject,
  verdicts: readonly ParentVerdict[],
  now: number,
): readonly unknown[] | undefined {
  return withOwnEntries<ParentStatus>(object.parents, MAX_PARENTS, (ours) =>
    verdicts.map((verdict) => parentStatus(object, ours, verdict, now)),
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
