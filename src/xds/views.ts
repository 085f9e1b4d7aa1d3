import type { DirtyKey } from '../model/index.js';
import { SetMap } from './set-map.js';
import type { Built, Consumer, Snapshot } from './snapshot.js';

/** Whoever subscribes to names, and is told when one of them may mean something else. */
export interface Subscriber {
  readonly consumer: Consumer;
  changed(typeUrl: string, name: string): void;
}

/** One name as one namespace (or pod, for workloads) sees it, shared by all its subscribers. */
export interface View<S> {
  readonly typeUrl: string;
  readonly name: string;
  readonly consumer: Consumer;
  readonly subscribers: Set<S>;
  built: Built | undefined;
}

/** A view and what it meant before a change. */
export interface Change<S> {
  readonly view: View<S>;
  readonly before: Built | undefined;
}

/**
 * Everything that somebody subscribes to, and what it means at present. After a change every name is resolved again,
 * because a new Service may claim a name that meant nothing or something else: that is a few look-ups a name.
 */
export class Views<S extends Subscriber> {
  readonly #snapshot: Snapshot;
  readonly #views = new Map<string, View<S>>();
  readonly #byPolicy = new SetMap<string, View<S>>();
  readonly #failed: (name: string, thrown: unknown) => void;

  /** `failed` hears of resources that could not be made: a fault of ours, for which no proxy may lose what it has. */
  constructor(snapshot: Snapshot, failed: (name: string, thrown: unknown) => void) {
    this.#snapshot = snapshot;
    this.#failed = failed;
  }

  /** Views with a subscriber. */
  get size(): number {
    return this.#views.size;
  }

  subscribe(subscriber: S, typeUrl: string, name: string): View<S> {
    const id = idOf(subscriber.consumer, typeUrl, name);
    const known = this.#views.get(id);
    if (known !== undefined) {
      known.subscribers.add(subscriber);
      return known;
    }
    const { consumer } = subscriber;
    const view: View<S> = { typeUrl, name, consumer, subscribers: new Set([subscriber]), built: undefined };
    this.#views.set(id, view);
    this.#rebuild(view);
    return view;
  }

  unsubscribe(subscriber: S, typeUrl: string, name: string): View<S> | undefined {
    const id = idOf(subscriber.consumer, typeUrl, name);
    const view = this.#views.get(id);
    if (view?.subscribers.delete(subscriber) !== true) return undefined;
    if (view.subscribers.size === 0) {
      this.#index(view, undefined);
      this.#views.delete(id);
    }
    return view;
  }

  find(consumer: Consumer, typeUrl: string, name: string): View<S> | undefined {
    return this.#views.get(idOf(consumer, typeUrl, name));
  }

  /** Resolves every name anew after a change of the mesh, and tells subscribers of those that mean something new. */
  refresh(dirty: Iterable<DirtyKey>): Change<S>[] {
    this.#snapshot.invalidate(dirty);
    const changed: Change<S>[] = [];
    for (const view of this.#views.values()) {
      const before = view.built;
      if (!this.#rebuild(view)) continue;
      changed.push({ view, before });
      for (const subscriber of view.subscribers) subscriber.changed(view.typeUrl, view.name);
    }
    this.#snapshot.retain(
      new Set([...this.#views.values()].flatMap(({ built }) => (built === undefined ? [] : [built]))),
    );
    return changed;
  }

  /** Views whose resource carries a policy, by the uid of its object. */
  withPolicy(uid: string): ReadonlySet<View<S>> {
    return this.#byPolicy.get(uid);
  }

  /** True when the content or the policies in it are others than before. */
  #rebuild(view: View<S>): boolean {
    let built: Built | undefined;
    try {
      built = this.#snapshot.find(view.typeUrl, view.name, view.consumer);
    } catch (thrown) {
      this.#failed(view.name, thrown);
      return false;
    }
    if (built === view.built) return false;
    this.#index(view, built);
    return true;
  }

  #index(view: View<S>, built: Built | undefined): void {
    for (const { uid } of sourcesOf(view.built)) this.#byPolicy.remove(uid, view);
    for (const { uid } of sourcesOf(built)) this.#byPolicy.add(uid, view);
    view.built = built;
  }
}

function sourcesOf(built: Built | undefined): Built['sources'] {
  return built?.sources ?? [];
}

/** A workload is seen by its own pod only; whoever else names it has a view of its own, of nothing. */
function idOf(consumer: Consumer, typeUrl: string, name: string): string {
  const scope = typeUrl.endsWith('.Workload') ? consumer.uid : consumer.namespace;
  return `${typeUrl} ${scope} ${name}`;
}
