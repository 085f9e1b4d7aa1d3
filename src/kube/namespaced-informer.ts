import { pause, untilAborted } from '../base/index.js';
import { Informer, type AnyInformer, type InformerOptions, type KindRefusal } from './informer.js';
import type { KubeObject } from './objects.js';
import { Store } from './store.js';

export interface NamespacedInformerOptions<T extends KubeObject> extends Omit<
  InformerOptions<T>,
  'namespace' | 'fieldSelector' | 'recall'
> {
  /** Settles when all who ask for a namespace at the start have done so. */
  readonly asked: () => Promise<void>;
}

interface Followed<T extends KubeObject> {
  readonly informer: Informer<T>;
  readonly stop: AbortController;
  /** Who asks for the namespace. */
  readonly by: Set<string>;
}

/** How long one who asks for a namespace waits until it has been read; what is not known by then is not there. */
const PATIENCE_MS = 2_000;

/**
 * Objects of those namespaces only that somebody asks for, each with an informer of its own. Their watches have connections of their
 * own, so that many of them keep no other kind waiting.
 */
export class NamespacedInformer<T extends KubeObject> implements AnyInformer {
  readonly store: Store<T>;
  readonly settled: Promise<void>;
  readonly #options: NamespacedInformerOptions<T>;
  readonly #followed = new Map<string, Followed<T>>();
  readonly #asks = new Map<string, string>();
  readonly #running = new Set<Promise<void>>();
  #signal: AbortSignal | undefined;
  #isSettled = false;
  #resolveSettled: () => void = () => undefined;

  constructor(options: NamespacedInformerOptions<T>) {
    this.#options = options;
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    this.store = new Store((thrown, key) =>
      options.log.error(
        { err: thrown, kind: this.kind, object: key },
        'a change was not taken; this is a bug',
      ),
    );
  }

  get kind(): string {
    return this.#options.resource.kind;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get staleSeconds(): number {
    return this.#most(({ staleSeconds }) => staleSeconds);
  }

  get silentSeconds(): number {
    return this.#most(({ silentSeconds }) => silentSeconds);
  }

  get refusal(): KindRefusal | undefined {
    return this.#informers().find(({ refusal }) => refusal !== undefined)?.refusal;
  }

  /**
   * From now on `by` asks for this namespace and no other; undefined: for none. The answer settles when the namespace has been read, or
   * cannot be; undefined: it has been, or nobody acts yet upon what is known.
   */
  follow(by: string, namespace: string | undefined): Promise<void> | undefined {
    const before = this.#asks.get(by);
    if (before !== namespace) this.#leave(by, before);
    if (namespace === undefined) return undefined;
    this.#asks.set(by, namespace);
    const followed = this.#followed.get(namespace) ?? this.#start(namespace);
    followed.by.add(by);
    if (!this.#isSettled || followed.informer.isSettled) return undefined;
    return this.#read(followed);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    for (const followed of this.#followed.values()) this.#run(followed, signal);
    void this.#settle(signal);
    await untilAborted(signal);
    await Promise.all(this.#running);
  }

  async #settle(signal: AbortSignal): Promise<void> {
    await Promise.race([this.#options.asked(), untilAborted(signal)]);
    await Promise.race([Promise.all(this.#informers().map(({ settled }) => settled)), untilAborted(signal)]);
    if (signal.aborted) return;
    this.#isSettled = true;
    this.#resolveSettled();
  }

  #start(namespace: string): Followed<T> {
    const informer = new Informer<T>({ ...this.#options, namespace, lane: 'namespace' });
    const followed = { informer, stop: new AbortController(), by: new Set<string>() };
    informer.store.onChange((change) => {
      if (change.type === 'delete') this.store.delete(change.key);
      else if (!followed.stop.signal.aborted) this.store.set(change.object);
    });
    this.#followed.set(namespace, followed);
    if (this.#signal !== undefined) this.#run(followed, this.#signal);
    return followed;
  }

  #run({ informer, stop }: Followed<T>, signal: AbortSignal): void {
    const running = informer.run(AbortSignal.any([signal, stop.signal]));
    this.#running.add(running);
    void running.finally(() => this.#running.delete(running));
  }

  async #read({ informer, stop }: Followed<T>): Promise<void> {
    const late = new AbortController();
    await Promise.race([informer.settled, pause(PATIENCE_MS, AbortSignal.any([late.signal, stop.signal]))]);
    late.abort();
  }

  /** A namespace that nobody asks for any more is forgotten, and its objects with it. */
  #leave(by: string, namespace: string | undefined): void {
    this.#asks.delete(by);
    const followed = namespace === undefined ? undefined : this.#followed.get(namespace);
    if (namespace === undefined || followed === undefined) return;
    followed.by.delete(by);
    if (followed.by.size > 0) return;
    this.#followed.delete(namespace);
    followed.stop.abort();
    followed.informer.store.replace([]);
  }

  #informers(): readonly Informer<T>[] {
    return [...this.#followed.values()].map(({ informer }) => informer);
  }

  #most(seconds: (informer: Informer<T>) => number): number {
    return Math.max(0, ...this.#informers().map(seconds));
  }
}
