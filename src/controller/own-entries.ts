import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { Condition, KubeObject } from '../kube/index.js';
import type { Verdict } from '../model/index.js';

/** What every entry of ours has in a list of a status of Gateway API that several controllers write. */
export interface OwnEntry {
  readonly controllerName: string;
  readonly conditions: readonly Condition[];
}

/**
 * What such a list should be: the entries of other controllers as they are, then ours, as many as there is room for.
 * Undefined when it is that already.
 */
export function withOwnEntries<T extends OwnEntry>(
  list: readonly unknown[],
  limit: number,
  make: (ours: readonly T[]) => readonly T[],
): readonly unknown[] | undefined {
  const ours = list.filter((entry): entry is T => isOurs(entry));
  const others = list.filter((entry) => !isOurs(entry));
  const wanted = make(ours).slice(0, Math.max(limit - others.length, 0));
  // The time of a transition is what it was wherever the rest is, so all of it may be compared.
  return isDeepStrictEqual(ours, wanted) ? undefined : [...others, ...wanted];
}

function isOurs(entry: unknown): entry is OwnEntry {
  return (
    typeof entry === 'object' &&
    entry !== null &&
    'controllerName' in entry &&
    entry.controllerName === names.ROUTE_CONTROLLER
  );
}

/** Makes conditions of verdicts. The time of the last transition is that of the status, not of the words beside it. */
export function stamper(
  object: KubeObject,
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
