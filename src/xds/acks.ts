import type { PolicyRef } from '../model/index.js';
import type { Built } from './snapshot.js';
import type { Verdict } from './stream.js';
import type { Subscriber, View, Views } from './views.js';

/** How proxies took the resources that carry a policy: what its condition `Programmed` is made from. */
export interface AckSummary {
  readonly policy: PolicyRef;
  /** Proxies that subscribe to a resource with this policy in it. */
  readonly subscribers: number;
  /** Of those, how many have accepted the newest version of every such resource. */
  readonly acknowledged: number;
  /** Of those, how many have rejected the newest version of one. The rest has not answered yet. */
  readonly rejected: number;
  /** What one of them said, short and without control characters; it comes from a proxy, so do not believe it. */
  readonly sampleReason?: string;
}

/** A subscriber that can say what its proxy thinks. */
export interface Judge extends Subscriber {
  verdict(typeUrl: string, name: string, version: string): Verdict;
}

/**
 * Sums up verdicts by policy, on demand: a proxy counts once for a policy whatever it sends, so that one which floods
 * us with rejects changes one number by one.
 */
export function summarize<S extends Judge>(views: Views<S>, policyUid: string): AckSummary | undefined {
  const worst = new Map<S, Verdict>();
  let policy: PolicyRef | undefined;
  for (const view of views.withPolicy(policyUid)) {
    if (view.built === undefined) continue;
    policy ??= view.built.sources.find(({ uid }) => uid === policyUid);
    collect(view, view.built, worst);
  }
  if (policy === undefined) return undefined;
  const verdicts = [...worst.values()];
  const rejections = verdicts.filter((verdict) => verdict.kind === 'rejected');
  const sample = rejections[0];
  return {
    policy,
    subscribers: verdicts.length,
    acknowledged: verdicts.filter(({ kind }) => kind === 'acknowledged').length,
    rejected: rejections.length,
    ...(sample === undefined ? {} : { sampleReason: sample.reason }),
  };
}

function collect<S extends Judge>(view: View<S>, built: Built, worst: Map<S, Verdict>): void {
  for (const subscriber of view.subscribers) {
    const verdict = subscriber.verdict(view.typeUrl, view.name, built.version);
    const known = worst.get(subscriber);
    if (known === undefined || WEIGHT[verdict.kind] > WEIGHT[known.kind]) worst.set(subscriber, verdict);
  }
}

const WEIGHT: Readonly<Record<Verdict['kind'], number>> = { acknowledged: 0, pending: 1, rejected: 2 };

/** Tells listeners which policies have a new summary: at once the first time, then at most every `everyMs`. */
export class AckNotifier {
  readonly #everyMs: number;
  readonly #signal: AbortSignal;
  readonly #listeners: ((policyUids: ReadonlySet<string>) => void)[] = [];
  #waiting = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;

  /** The signal ends the notifications. */
  constructor(everyMs: number, signal: AbortSignal) {
    this.#everyMs = everyMs;
    this.#signal = signal;
    signal.addEventListener('abort', () => clearTimeout(this.#timer), { once: true });
  }

  listen(listener: (policyUids: ReadonlySet<string>) => void): void {
    this.#listeners.push(listener);
  }

  /** Policies in these resources may have a new summary. */
  touch(sources: readonly PolicyRef[]): void {
    for (const { uid } of sources) this.#waiting.add(uid);
    if (this.#waiting.size === 0 || this.#timer !== undefined || this.#signal.aborted) return;
    const wait = Math.max(0, this.#lastAt + this.#everyMs - performance.now());
    this.#timer = setTimeout(() => this.#tell(), wait);
  }

  #tell(): void {
    this.#timer = undefined;
    this.#lastAt = performance.now();
    const uids = this.#waiting;
    this.#waiting = new Set();
    for (const listener of this.#listeners) listener(uids);
  }
}
