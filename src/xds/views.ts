import type { DirtyKey } from '../model/index.js';
import type { Acks } from './acks.js';
import { WORKLOAD_TYPE_URL } from './resources/index.js';
import { SetMap } from '../base/index.js';
import { sameSources, type Built, type Consumer, type Entry, type Snapshot } from './snapshot.js';
import { Subscription, type Subscriber, type View } from './subscription.js';
import { encodeResourceHead } from './wire-response.js';

interface KeptView extends View {
  readonly id: string;
  entry: Entry | undefined;
  /** It is looked at again when one of these gets dirty. */
  through: readonly DirtyKey[];
}

/** What a change of the mesh came to. */
export interface Refreshed {
  /** Views that were looked at. */
  readonly touched: number;
  /** Whoever has something new to be sent. */
  readonly behind: ReadonlySet<Subscriber>;
}

/**
 * Everything that somebody subscribes to, and what it means at present. Each view is indexed by what it was found
 * through, so that a change touches the views that may mean something else after it, and no other.
 */
export class Views {
  readonly #snapshot: Snapshot;
  readonly #acks: Acks;
  readonly #views = new Map<string, KeptView>();
  readonly #byKey = new SetMap<DirtyKey, KeptView>();

  constructor(snapshot: Snapshot, acks: Acks) {
    this.#snapshot = snapshot;
    this.#acks = acks;
  }

  /** Views with a subscriber. */
  get size(): number {
    return this.#views.size;
  }

  /** `held` is the version that the proxy has already. */
  subscribe(subscriber: Subscriber, typeUrl: string, name: string, held?: string): Subscription {
    const id = idOf(subscriber.consumer, typeUrl, name);
    const view = this.#views.get(id) ?? this.#add(id, subscriber.consumer, typeUrl, name);
    const subscription = new Subscription(view, subscriber, held);
    view.subscriptions.add(subscription);
    this.#acks.count(subscription);
    return subscription;
  }

  unsubscribe(subscription: Subscription): void {
    const { view } = subscription;
    if (!view.subscriptions.delete(subscription)) return;
    this.#acks.forget(subscription);
    const kept = this.#views.get(idOf(view.consumer, view.typeUrl, view.name));
    if (kept === undefined || view.subscriptions.size > 0) return;
    this.#index(kept, []);
    if (kept.entry !== undefined) this.#snapshot.release(kept.entry);
    this.#views.delete(kept.id);
  }

  /** Looks again at what depends on something dirty, and tells subscribers of the views that mean something new. */
  refresh(dirty: ReadonlySet<DirtyKey>): Refreshed {
    this.#snapshot.invalidate(dirty);
    const touched = dirty.has('mesh') ? new Set(this.#views.values()) : this.#dependents(dirty);
    const behind = new Set<Subscriber>();
    for (const view of touched) {
      const before = view.built;
      this.#look(view);
      if (versionOf(view.built) === versionOf(before)) continue;
      for (const subscription of view.subscriptions) {
        subscription.subscriber.changed(subscription);
        behind.add(subscription.subscriber);
      }
    }
    return { touched: touched.size, behind };
  }

  #dependents(dirty: ReadonlySet<DirtyKey>): Set<KeptView> {
    const found = new Set<KeptView>();
    for (const key of dirty) {
      for (const view of this.#byKey.get(key)) found.add(view);
    }
    return found;
  }

  #add(id: string, consumer: Consumer, typeUrl: string, name: string): KeptView {
    const view: KeptView = {
      id,
      typeUrl,
      name,
      consumer,
      subscriptions: new Set(),
      built: undefined,
      head: NO_HEAD,
      unmade: false,
      revision: 1,
      entry: undefined,
      through: [],
    };
    this.#views.set(id, view);
    this.#look(view);
    return view;
  }

  /** Finds out what a view means now. */
  #look(view: KeptView): void {
    const { entry, through } = this.#snapshot.find(view.typeUrl, view.name, view.consumer);
    this.#index(view, through);
    const unmade = entry?.unmade === true;
    // What could not be made replaces nothing.
    const next = unmade && view.entry !== undefined ? view.entry : entry;
    if (next !== undefined) this.#snapshot.use(next);
    if (view.entry !== undefined) this.#snapshot.release(view.entry);
    view.entry = next;
    this.#set(view, next?.built, unmade);
  }

  #set(view: KeptView, built: Built | undefined, unmade: boolean): void {
    const before = view.built;
    if (before === built && view.unmade === unmade) return;
    const { subscriptions } = view;
    const sameSaid = sameSources(sourcesOf(before), sourcesOf(built));
    if (!sameSaid) {
      for (const subscription of subscriptions) this.#acks.forget(subscription);
      view.revision += 1;
    }
    view.built = built;
    view.unmade = unmade;
    if (versionOf(before) !== versionOf(built)) view.head = headOf(view);
    for (const subscription of subscriptions) {
      subscription.carryOver();
      this.#acks.count(subscription);
    }
  }

  #index(view: KeptView, through: readonly DirtyKey[]): void {
    if (sameKeys(view.through, through)) return;
    for (const key of view.through) this.#byKey.remove(key, view);
    view.through = through;
    for (const key of view.through) this.#byKey.add(key, view);
  }
}

const NO_HEAD = new Uint8Array();

function sourcesOf(built: Built | undefined): Built['sources'] {
  return built?.sources ?? [];
}

function versionOf(built: Built | undefined): string | undefined {
  return built?.version;
}

function headOf({ name, built }: View): Uint8Array {
  return built === undefined ? NO_HEAD : encodeResourceHead(name, built.body.length);
}

function sameKeys(a: readonly DirtyKey[], b: readonly DirtyKey[]): boolean {
  return a.length === b.length && a.every((key, i) => key === b[i]);
}

/** A workload is seen by its own pod only; whoever else names it has a view of its own, of nothing. */
function idOf(consumer: Consumer, typeUrl: string, name: string): string {
  const scope = typeUrl === WORKLOAD_TYPE_URL ? consumer.uid : consumer.namespace;
  return `${typeUrl} ${scope} ${name}`;
}
