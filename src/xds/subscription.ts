import type { Built, Consumer } from './snapshot.js';

/** Whoever subscribes, and is told when one of its names may mean something else. */
export interface Subscriber {
  readonly consumer: Consumer;
  /** `<namespace>/<name>` of the pod: what the cluster says, never the proxy. */
  readonly pod: string;
  changed(subscription: Subscription): void;
  /** Send what has changed, first at `since` on the monotonic clock. */
  push(since: number): void;
}

/** One name as one namespace (or pod, for workloads) sees it, shared by all its subscribers. */
export interface View {
  readonly typeUrl: string;
  readonly name: string;
  readonly consumer: Consumer;
  readonly subscriptions: Set<Subscription>;
  /** What it means; undefined: nothing that the mesh knows, or nothing yet where it is `unmade`. */
  built: Built | undefined;
  /** The beginning of `built` on the wire, which names it. */
  head: Uint8Array;
  /** It could not be made, a fault of ours: what was sent before stays, and nobody is told that it is gone. */
  unmade: boolean;
  /** Counts the sets of sources that the view has had, each with the generations of its objects; starts at 1. */
  revision: number;
}

/** Why a proxy rejected a resource, as a code of ours: its own words are for the log only. */
export type RejectReason = 'UnknownFeature' | 'Invalid';

/** How a subscription stands to what its view says. */
export type Standing =
  /** The proxy has never answered: it had nothing before, and so nothing outdated. */
  | 'new'
  /** It has an older form. */
  | 'pending'
  | 'acknowledged'
  | 'rejected';

/** A version as it was sent. */
export interface Sent {
  readonly subscription: Subscription;
  readonly version: string;
  readonly revision: number;
}

const NEVER = -1;
const OLDER = 0;

/** What one proxy was sent for one name and said about it. Its stream and its view hold the same object. */
export class Subscription {
  readonly view: View;
  readonly subscriber: Subscriber;
  /** Version sent last, or held by the proxy when it subscribed; undefined: it has nothing. */
  sent: string | undefined;
  rejected: RejectReason | undefined;
  /** As counted last; kept by `Acks`. */
  counted: Standing | undefined;
  #acknowledged: string | undefined;
  #revision = NEVER;

  constructor(view: View, subscriber: Subscriber, held: string | undefined) {
    this.view = view;
    this.subscriber = subscriber;
    this.sent = held;
    this.#acknowledged = held;
    if (held !== undefined) this.#revision = held === view.built?.version ? view.revision : OLDER;
  }

  get standing(): Standing {
    if (this.rejected !== undefined) return 'rejected';
    if (this.#revision === NEVER) return 'new';
    return this.#revision === this.view.revision && !this.view.unmade ? 'acknowledged' : 'pending';
  }

  /** A version goes out. What the proxy said about the one before no longer counts. */
  send(version: string): Sent {
    this.sent = version;
    this.rejected = undefined;
    return { subscription: this, version, revision: this.view.revision };
  }

  acknowledge({ version, revision }: Sent): void {
    this.rejected = undefined;
    this.#acknowledged = version;
    this.#revision = version === this.view.built?.version ? this.view.revision : revision;
  }

  /** The proxy keeps what it has. */
  reject({ version }: Sent, reason: RejectReason): void {
    if (version === this.sent) this.rejected = reason;
    if (this.#revision === NEVER) this.#revision = OLDER;
  }

  /** The view has changed, maybe back to what the proxy has: then it has all that the view says. */
  carryOver(): void {
    const version = this.view.built?.version;
    if (this.sent === version && this.#acknowledged === version) this.#revision = this.view.revision;
  }
}
