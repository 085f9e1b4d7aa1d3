import {
  MeshError,
  backoffMs,
  jittered,
  pause,
  systemClock,
  untilAborted,
  type Clock,
  type ErrorCode,
  type Logger,
} from '../base/index.js';
import type { KubeClient } from './client.js';
import { isLeaving, isServed } from './discovery.js';
import { KubeApiError, kubeError } from './errors.js';
import type { InformerMetrics } from './informer-metrics.js';
import type { RawObject } from './keep.js';
import type { KubeObject } from './objects.js';
import { resourcePath, type Resource } from './resource.js';
import { Store, objectKey, type ObjectKey } from './store.js';
import { parseWatchEvent, type WatchEvent } from './watch-event.js';

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly log: Logger;
  readonly metrics?: InformerMetrics;
  /** One namespace only; absent: all of them. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /**
   * The kind may not exist (its CRD is not installed): then the store stays empty and counts as settled. Believed only
   * where discovery says so, and never of a kind whose objects we have: those are kept.
   */
  readonly optional?: boolean;
  /**
   * Whether nothing may be served before this kind was listed. Default true; false: a kind that the API server keeps
   * refusing counts as settled after `patienceMs`.
   */
  readonly required?: boolean;
  /**
   * What stands for the kind's objects while it does not exist and none of them is known. Those that are known stay in force even
   * if they are deleted because their kind is.
   */
  readonly recall?: () => Promise<readonly T[]>;
  /** Whose connections the watch takes. Default: those of kinds that are followed in the whole cluster. */
  readonly lane?: 'namespace';
  readonly timing?: Partial<InformerTiming>;
  readonly clock?: Clock;
}

/** All in milliseconds; each gets up to a fifth more at random. */
export interface InformerTiming {
  /** How long the server is asked to keep one watch. */
  readonly watchMs: number;
  /** Bookmarks come about once a minute; silence for this long means the connection is dead. */
  readonly silenceMs: number;
  /** A whole list again, in case an event was lost. */
  readonly resyncMs: number;
  readonly backoffBaseMs: number;
  readonly backoffCapMs: number;
  /** How often to look whether an optional kind exists now; sooner at first, from `backoffBaseMs` on: its CRD may just be replaced. */
  readonly absentMs: number;
  /** A watch that ended sooner than this is followed by a pause, so that a server that ends each at once is not flooded. */
  readonly shortWatchMs: number;
  /** How long a kind that is not required is waited for while the API server refuses it. */
  readonly patienceMs: number;
}

const TIMING: InformerTiming = {
  watchMs: 300_000,
  silenceMs: 150_000,
  resyncMs: 3_600_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  absentMs: 15_000,
  shortWatchMs: 1_000,
  patienceMs: 30_000,
};
const PAGE_SIZE = 500;
/** After this many failures in a row, start from a list rather than trust the position. */
const RELIST_AFTER = 4;

/** Why the API server does not let us have a kind. */
export interface KindRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** An informer of whatever kind. */
export interface AnyInformer {
  readonly kind: string;
  /** Resolves when what the store holds may be acted upon. */
  readonly settled: Promise<void>;
  readonly isSettled: boolean;
  /** Seconds since the API server last told anything about the kind's objects: a list, an event, a bookmark. */
  readonly staleSeconds: number;
  /** Seconds since the API server last gave any answer about the kind, a refusal included. */
  readonly silentSeconds: number;
  /** Set while the API server refuses the kind; what the store holds is the last that was known. */
  readonly refusal: KindRefusal | undefined;
  readonly store: { readonly size: number };
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Keeps a store equal to what the API server has: list in pages, watch with bookmarks from there, and whatever happens
 * (410, a dead connection, a restarting API server, a refusal) go on, with jittered delays. It never gives up by itself,
 * and no object that cannot be read or handled stands in the way of those behind it.
 */
export class Informer<T extends KubeObject> implements AnyInformer {
  readonly store: Store<T>;
  readonly settled: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #timing: InformerTiming;
  readonly #clock: Clock;
  #resolveSettled: () => void = () => undefined;
  #isSettled = false;
  #isServed = false;
  #version: string | undefined;
  #listedAt = -Infinity;
  #heardAt: number;
  #answeredAt: number;
  #refusal: KindRefusal | undefined;
  /** Failures in a row: none since the last event that a watch brought. */
  #failures = 0;
  /** When the watch that runs, or ran last, was answered. */
  #openedAt: number | undefined;
  #refusedSince: number | undefined;
  /** How often in a row the kind was not there. */
  #absences = 0;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#clock = options.clock ?? systemClock;
    this.#heardAt = this.#clock.monotonic();
    this.#answeredAt = this.#heardAt;
    this.settled = new Promise((resolve) => (this.#resolveSettled = resolve));
    this.store = new Store((thrown, key) => this.#handlerFailed(thrown, key));
  }

  get kind(): string {
    return this.#options.resource.kind;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether the API server has the kind: it has listed it, and has not said since that there is none. */
  get isServed(): boolean {
    return this.#isServed;
  }

  get staleSeconds(): number {
    return (this.#clock.monotonic() - this.#heardAt) / 1000;
  }

  get silentSeconds(): number {
    return (this.#clock.monotonic() - this.#answeredAt) / 1000;
  }

  get refusal(): KindRefusal | undefined {
    return this.#refusal;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#openedAt = undefined;
      try {
        if (this.#needsList()) await this.#list(signal);
        await this.#watch(signal);
        this.#failures = 0;
        if (!this.#watchedLong()) await pause(jittered(this.#timing.backoffBaseMs, 1), signal);
      } catch (thrown) {
        await this.#recover(MeshError.from(thrown), signal);
      }
    }
  }

  #needsList(): boolean {
    return (
      this.#version === undefined ||
      this.#clock.monotonic() - this.#listedAt > jittered(this.#timing.resyncMs, 0.2)
    );
  }

  #watchedLong(): boolean {
    return (
      this.#openedAt !== undefined && this.#clock.monotonic() - this.#openedAt >= this.#timing.shortWatchMs
    );
  }

  async #recover(error: MeshError, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { log, metrics } = this.#options;
    metrics?.restarts.inc({ kind: this.kind, reason: error.code });
    if (await this.#isAbsent(error, signal)) {
      await this.#absent(signal);
      return;
    }
    if (error instanceof KubeApiError && error.code !== 'expired') this.#refused(error);
    if (error.code === 'expired' || this.#failures + 1 >= RELIST_AFTER) this.#version = undefined;
    const ms = this.#pauseMs();
    const level = error.code === 'expired' || ms === 0 ? 'info' : 'warn';
    log[level](
      { err: error, kind: this.kind, againAfterMs: Math.round(ms), failures: this.#failures },
      'watch interrupted',
    );
    this.#failures += 1;
    await pause(ms, signal);
  }

  /** A watch that was in order until it was cut costs nothing: the next goes on from its position at once. */
  #pauseMs(): number {
    if (this.#failures === 0 && this.#watchedLong()) return 0;
    const { backoffBaseMs: baseMs, backoffCapMs: capMs } = this.#timing;
    return backoffMs(this.#failures, { baseMs, capMs });
  }

  async #isAbsent(error: MeshError, signal: AbortSignal): Promise<boolean> {
    const { client, resource, optional } = this.#options;
    if (error.code !== 'not-found' || optional !== true) return false;
    return (await isServed(client, resource, signal)) === false;
  }

  /** Discovery says that there is no such kind. */
  async #absent(signal: AbortSignal): Promise<void> {
    this.#answered();
    this.#version = undefined;
    this.#isServed = false;
    if (this.store.size === 0) await this.#recall(signal);
    if (signal.aborted) return;
    if (this.store.size === 0) {
      this.#refusal = undefined;
      this.#markSettled();
    } else {
      // Deleting a CRD deletes its objects first, which a watch tells. Settings do not end because a kind went missing.
      const message = 'the API server no longer serves the kind';
      if (this.#refusal === undefined) this.#options.log.error({ kind: this.kind }, message);
      this.#refusal = { code: 'not-found', message };
      this.#markSettled();
    }
    const { backoffBaseMs: baseMs, absentMs: capMs } = this.#timing;
    await pause(backoffMs(this.#absences, { baseMs, capMs }), signal);
    this.#absences += 1;
  }

  async #recall(signal: AbortSignal): Promise<void> {
    const { recall } = this.#options;
    if (recall === undefined) return;
    const recalled = await Promise.race([recall(), untilAborted(signal)]);
    if (!signal.aborted) for (const object of recalled ?? []) this.store.set(object);
  }

  #refused(error: KubeApiError): void {
    this.#answered();
    const now = this.#clock.monotonic();
    this.#refusal = { code: error.code, message: error.message.slice(0, 256) };
    this.#refusedSince ??= now;
    const { required = true } = this.#options;
    if (!required && now - this.#refusedSince >= this.#timing.patienceMs) this.#markSettled();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const objects: T[] = [];
    const unreadable: ObjectKey[] = [];
    let next: string | undefined;
    let version: string;
    do {
      const page = (await this.#options.client.request({
        path: this.#path(),
        query: { ...this.#selectors(), limit: PAGE_SIZE, continue: next },
        signal,
      })) as ListPage;
      // Items of a list do not repeat what kind they are.
      const { apiVersion, kind } = this.#options.resource;
      for (const raw of page.items ?? []) {
        const object = this.#read({ apiVersion, kind, ...raw });
        if (object !== undefined) objects.push(object);
        else unreadable.push(rawKey(raw));
      }
      version = page.metadata?.resourceVersion ?? '';
      next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
      this.#heard();
    } while (next !== undefined);
    this.#isServed = true;
    await this.#replace(objects, unreadable, signal);
    this.#version = version;
    this.#listedAt = this.#clock.monotonic();
    this.#absences = 0;
    this.#markSettled();
  }

  async #replace(
    objects: readonly T[],
    unreadable: readonly ObjectKey[],
    signal: AbortSignal,
  ): Promise<void> {
    const isMissing = objects.length + unreadable.length < this.store.size;
    if (isMissing && (await this.#leaves(signal))) this.#keeps();
    else this.store.replace(objects, unreadable);
  }

  #markSettled(): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#resolveSettled();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const limitMs = jittered(this.#timing.silenceMs, 0.2);
    let timer = setTimeout(() => silence.abort(), limitMs);
    try {
      const lines = this.#options.client.lines({
        path: this.#path(),
        query: {
          ...this.#selectors(),
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: this.#version,
          timeoutSeconds: Math.ceil(jittered(this.#timing.watchMs, 0.2) / 1000),
        },
        signal: AbortSignal.any([signal, silence.signal]),
        ...(this.#options.lane === undefined ? {} : { lane: this.#options.lane }),
      });
      for await (const line of lines) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), limitMs);
        if (line === '') this.#opened();
        else await this.#take(parseWatchEvent(line), signal);
      }
    } catch (thrown) {
      // A quiet kind of a server without bookmarks looks like this, too, so it does not count against the watch.
      if (
        this.#openedAt !== undefined &&
        this.#clock.monotonic() - this.#openedAt > this.#timing.backoffCapMs
      )
        this.#failures = 0;
      if (silence.signal.aborted)
        throw new MeshError('timeout', `${this.#path()}: nothing heard for ${Math.round(limitMs / 1000)} s`);
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  #opened(): void {
    this.#openedAt = this.#clock.monotonic();
    this.#refusal = undefined;
    this.#refusedSince = undefined;
    this.#heard();
  }

  /** Whether objects go because their kind does; asked only about kinds whose objects stay in force then. */
  async #leaves(signal: AbortSignal): Promise<boolean> {
    const { client, resource, recall } = this.#options;
    return recall !== undefined && (await isLeaving(client, resource, signal));
  }

  #keeps(): void {
    const message = 'the kind is being deleted, and its objects with it';
    if (this.#refusal === undefined) this.#options.log.error({ kind: this.kind }, message);
    this.#refusal = { code: 'not-found', message };
  }

  async #take(event: WatchEvent, signal: AbortSignal): Promise<void> {
    if (event.type === 'DELETED' && (await this.#leaves(signal))) {
      this.#heard();
      this.#keeps();
      return;
    }
    if (event.type === 'ERROR') {
      const status = event.object as { code?: number };
      throw kubeError(status.code ?? 500, status, { method: 'WATCH', path: this.#path() });
    }
    this.#heard();
    this.#failures = 0;
    if (event.type !== 'BOOKMARK') this.#apply(event);
    this.#version = event.object.metadata?.resourceVersion ?? this.#version;
  }

  #apply({ type, object: raw }: WatchEvent): void {
    const object = this.#read(raw);
    if (object === undefined) {
      // Whatever is wrong with it, one that was deleted is gone.
      if (type === 'DELETED') this.store.delete(rawKey(raw));
    } else if (type === 'DELETED') this.store.delete(objectKey(object));
    else this.store.set(object);
  }

  /** What we keep of an object; undefined where it cannot be read, and then what was known of it stays. */
  #read(raw: RawObject): T | undefined {
    try {
      return this.#options.resource.keep(raw);
    } catch (thrown) {
      const { log, metrics } = this.#options;
      metrics?.unreadable.inc({ kind: this.kind });
      log.error(
        { err: MeshError.from(thrown), kind: this.kind, object: rawKey(raw) },
        'an object cannot be read; what was known of it stays in force',
      );
      return undefined;
    }
  }

  #handlerFailed(thrown: unknown, key: ObjectKey): void {
    const { log, metrics } = this.#options;
    metrics?.handlerErrors.inc({ kind: this.kind });
    log.error(
      { err: MeshError.from(thrown), kind: this.kind, object: key },
      'a change was not taken by a part of the control plane; this is a bug',
    );
  }

  #path(): string {
    const { resource, namespace } = this.#options;
    return resourcePath(resource, namespace === undefined ? {} : { namespace });
  }

  #selectors(): { labelSelector: string | undefined; fieldSelector: string | undefined } {
    return { labelSelector: this.#options.labelSelector, fieldSelector: this.#options.fieldSelector };
  }

  #heard(): void {
    this.#heardAt = this.#clock.monotonic();
    this.#answeredAt = this.#heardAt;
  }

  #answered(): void {
    this.#answeredAt = this.#clock.monotonic();
  }
}

function rawKey(raw: RawObject): ObjectKey {
  const { namespace = '', name = '' } = raw.metadata ?? {};
  return objectKey({ metadata: { namespace, name } });
}

interface ListPage {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly RawObject[];
}
