import type { PolicyRef } from '../model/index.js';
import type { AckNotifier } from './ack-notifier.js';
import { LATE_MS, PolicyAcks, first, type AckSummary } from './policy-acks.js';
import type { RejectReason, Standing, Subscription } from './subscription.js';

/** A resource that a proxy rejects at present. */
export interface Rejection {
  /** `<namespace>/<name>`, as the cluster says. */
  readonly pod: string;
  readonly uid: string;
  readonly typeUrl: string;
  readonly name: string;
  readonly reason: RejectReason;
}

const MAX_REJECTIONS = 50;

/**
 * Counts by policy how subscriptions stand, moving a count with each transition: nothing is ever counted again from the
 * start. A proxy counts once for a policy, with the worst of its subscriptions, whatever it sends.
 */
export class Acks {
  readonly #policies = new Map<string, PolicyAcks>();
  readonly #rejecting = new Set<Subscription>();
  readonly #notifier: Pick<AckNotifier, 'touch'>;

  constructor(notifier: Pick<AckNotifier, 'touch'>) {
    this.#notifier = notifier;
  }

  /** Counts a subscription as it stands now; call it after whatever may have changed that. */
  count(subscription: Subscription): void {
    const { counted, standing } = subscription;
    if (counted !== standing) this.#move(subscription, counted, standing);
  }

  /** Takes a subscription out of all counts: it has ended, or the sources of its view are about to change. */
  forget(subscription: Subscription): void {
    if (subscription.counted !== undefined) this.#move(subscription, subscription.counted, undefined);
  }

  /** How the proxies took a policy; undefined: it is in no resource that anybody subscribes to. */
  summary(policyUid: string): AckSummary | undefined {
    return this.#policies.get(policyUid)?.summary();
  }

  /** Some of the resources that are rejected at present. */
  rejections(): readonly Rejection[] {
    return first(MAX_REJECTIONS, this.#rejecting).map(({ view, subscriber, rejected = 'Invalid' }) => ({
      pod: subscriber.pod,
      uid: subscriber.consumer.uid,
      typeUrl: view.typeUrl,
      name: view.name,
      reason: rejected,
    }));
  }

  #move(subscription: Subscription, from: Standing | undefined, to: Standing | undefined): void {
    subscription.counted = to;
    if (to === 'rejected') this.#rejecting.add(subscription);
    else this.#rejecting.delete(subscription);
    const policies = (subscription.view.built?.sources ?? []).filter(hasProgrammed);
    for (const policy of policies) this.#acksOf(policy).move(subscription, from, to);
    this.#tell(
      policies.map(({ uid }) => uid),
      [from, to],
    );
  }

  #tell(uids: readonly string[], standings: readonly (Standing | undefined)[]): void {
    for (const uid of uids) if (this.#policies.get(uid)?.isEmpty === true) this.#policies.delete(uid);
    if (uids.length === 0 && !standings.includes('rejected')) return;
    this.#notifier.touch(uids, standings[1] === 'pending' ? LATE_MS : undefined);
  }

  #acksOf(policy: PolicyRef): PolicyAcks {
    const acks = this.#policies.get(policy.uid) ?? new PolicyAcks(policy);
    this.#policies.set(policy.uid, acks);
    acks.sees(policy);
    return acks;
  }
}

/** The kinds with a condition that says how proxies took them. */
function hasProgrammed({ kind }: PolicyRef): boolean {
  return kind === 'TrafficPolicy' || kind === 'MeshConfig';
}
