import type { PolicyRef } from '../model/index.js';
import type { RejectReason, Standing, Subscriber, Subscription } from './subscription.js';

/** How proxies took the resources that carry a policy: what its condition `Programmed` is made from. */
export interface AckSummary {
  readonly policy: PolicyRef;
  /** Proxies that subscribe to a resource with this policy in it, but those that have never answered yet. */
  readonly subscribers: number;
  /** Of those, how many have accepted the newest form of the policy in every such resource. */
  readonly acknowledged: number;
  /** Of those, how many have rejected the newest version of one. */
  readonly rejected: number;
  /** Of those, how many have owed an answer for longer than a proxy takes. The rest has time to answer yet. */
  readonly late: number;
  /** Some of those that rejected, or are late. */
  readonly outliers: readonly Outlier[];
}

/** A proxy that did not take what others may have taken. */
export interface Outlier {
  /** `<namespace>/<name>`, as the cluster says. */
  readonly pod: string;
  readonly reason: RejectReason | 'NotAnswered';
}

/** A proxy answers within milliseconds; one that owes an answer for so long is an outlier. */
export const LATE_MS = 10_000;
const MAX_OUTLIERS = 3;

/** How the subscriptions of one proxy stand, of those that carry the policy. */
interface Tally {
  readonly pod: string;
  readonly counts: Record<Standing, number>;
  /** The worst of them, which is how the proxy counts. */
  standing: Standing | undefined;
  /** Since when it stands so, on the monotonic clock. */
  since: number;
  reason: RejectReason;
}

const WORST_FIRST = ['rejected', 'pending', 'acknowledged', 'new'] as const satisfies readonly Standing[];

/** The proxies that use one policy, by how they stand to it. */
export class PolicyAcks {
  #policy: PolicyRef;
  readonly #tallies = new Map<Subscriber, Tally>();
  /** Each in the order in which they came to stand so. */
  readonly #by: Readonly<Record<Standing, Set<Tally>>> = {
    new: new Set(),
    pending: new Set(),
    acknowledged: new Set(),
    rejected: new Set(),
  };

  constructor(policy: PolicyRef) {
    this.#policy = policy;
  }

  get isEmpty(): boolean {
    return this.#tallies.size === 0;
  }

  /** The object in the resources that are sent; of several generations the newest. */
  sees(policy: PolicyRef): void {
    if (policy.generation > this.#policy.generation) this.#policy = policy;
  }

  /** A subscription that stood so, or was none, stands so now, or is none any more. */
  move(subscription: Subscription, from: Standing | undefined, to: Standing | undefined): void {
    const { subscriber } = subscription;
    const tally = this.#tallies.get(subscriber) ?? newTally(subscriber);
    if (from !== undefined) tally.counts[from] -= 1;
    if (to !== undefined) tally.counts[to] += 1;
    tally.reason = subscription.rejected ?? tally.reason;
    const standing = WORST_FIRST.find((candidate) => tally.counts[candidate] > 0);
    if (standing === undefined) this.#tallies.delete(subscriber);
    else this.#tallies.set(subscriber, tally);
    this.#rank(tally, standing);
  }

  summary(): AckSummary {
    const { acknowledged, pending, rejected } = this.#by;
    const late = this.#late();
    const outliers: Outlier[] = [
      ...first(MAX_OUTLIERS, rejected),
      ...late.slice(0, MAX_OUTLIERS).map(({ pod }) => ({ pod, reason: 'NotAnswered' as const })),
    ].map(({ pod, reason }) => ({ pod, reason }));
    return {
      policy: this.#policy,
      subscribers: acknowledged.size + pending.size + rejected.size,
      acknowledged: acknowledged.size,
      rejected: rejected.size,
      late: late.length,
      outliers: outliers.slice(0, MAX_OUTLIERS),
    };
  }

  #rank(tally: Tally, standing: Standing | undefined): void {
    if (tally.standing === standing) return;
    if (tally.standing !== undefined) this.#by[tally.standing].delete(tally);
    if (standing !== undefined) this.#by[standing].add(tally);
    tally.standing = standing;
    tally.since = performance.now();
  }

  #late(): readonly Tally[] {
    const late: Tally[] = [];
    const before = performance.now() - LATE_MS;
    for (const tally of this.#by.pending) {
      if (tally.since > before) break;
      late.push(tally);
    }
    return late;
  }
}

function newTally({ pod }: Subscriber): Tally {
  const counts = { new: 0, pending: 0, acknowledged: 0, rejected: 0 };
  return { pod, counts, standing: undefined, since: 0, reason: 'Invalid' };
}

/** The first so many of a collection. */
export function first<T>(count: number, all: Iterable<T>): T[] {
  const some: T[] = [];
  for (const one of all) {
    if (some.length >= count) break;
    some.push(one);
  }
  return some;
}
