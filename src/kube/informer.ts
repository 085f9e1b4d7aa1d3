import {
  MeshError,
  backoffMs,
  jittered,
  pause,
  systemClock,
  type Clock,
  type Counter,
  type Gauge,
  type Logger,
  type Metrics,
} from '../base/index.js';
import type { KubeClient } from './client.js';
import { kubeError } from './errors.js';
import type { RawObject } from './keep.js';
import type { KubeObject } from './objects.js';
import { resourcePath, type Resource } from './resource.js';
import { Store, objectKey } from './store.js';

export interface InformerOptions<T extends KubeObject> {
  readonly client: KubeClient;
  readonly resource: Resource<T>;
  readonly log: Logger;
  readonly metrics?: InformerMetrics;
  /** One namespace only; absent: all of them. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** The kind may not exist (its CRD is not installed): then the store stays empty and counts as synced. */
  readonly optional?: boolean;
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
  /** How often to look whether an optional kind exists now. */
  readonly absentMs: number;
}

const TIMING: InformerTiming = {
  watchMs: 300_000,
  silenceMs: 150_000,
  resyncMs: 3_600_000,
  backoffBaseMs: 500,
  backoffCapMs: 30_000,
  absentMs: 15_000,
};
const PAGE_SIZE = 500;
/** After this many failures in a row, start from a list rather than trust the position. */
const RELIST_AFTER = 4;

export interface InformerMetrics {
  readonly restarts: Counter<'kind' | 'reason'>;
  readonly stale: Gauge<'kind'>;
  readonly objects: Gauge<'kind'>;
}

/** An informer of whatever kind. */
export interface AnyInformer {
  readonly kind: string;
  readonly synced: Promise<void>;
  readonly isSynced: boolean;
  readonly staleSeconds: number;
  readonly store: { readonly size: number };
  run(signal: AbortSignal): Promise<void>;
}

/** `informers` is asked at each scrape, so that metrics of new ones appear without pushing. */
export function createInformerMetrics(
  metrics: Metrics,
  informers: () => Iterable<AnyInformer>,
): InformerMetrics {
  return {
    restarts: metrics.counter(
      'weft_informer_restarts_total',
      'Lists and watches begun again after a failure.',
      ['kind', 'reason'],
    ),
    stale: metrics.gauge(
      'weft_informer_stale_seconds',
      'Time since the API server was last heard about a kind.',
      ['kind'],
      (gauge) => {
        for (const { kind, staleSeconds } of informers()) gauge.set({ kind }, staleSeconds);
      },
    ),
    objects: metrics.gauge('weft_informer_objects', 'Objects of a kind in the cache.', ['kind'], (gauge) => {
      for (const { kind, store } of informers()) gauge.set({ kind }, store.size);
    }),
  };
}

/**
 * Keeps a store equal to what the API server has: list in pages, watch with bookmarks from there, and whatever happens
 * (410, a dead connection, a restarting API server) go on, with jittered delays. It never gives up by itself.
 */
export class Informer<T extends KubeObject> implements AnyInformer {
  readonly store = new Store<T>();
  /** Resolves when the first list is in the store. */
  readonly synced: Promise<void>;
  readonly #options: InformerOptions<T>;
  readonly #timing: InformerTiming;
  readonly #clock: Clock;
  #markSynced: () => void = () => undefined;
  #isSynced = false;
  #version: string | undefined;
  #listedAt = -Infinity;
  #heardAt: number;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#clock = options.clock ?? systemClock;
    this.#heardAt = this.#clock.monotonic();
    this.synced = new Promise((resolve) => (this.#markSynced = resolve));
  }

  get kind(): string {
    return this.#options.resource.kind;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Seconds since the API server last said anything about this kind: a list, an event, a bookmark. */
  get staleSeconds(): number {
    return (this.#clock.monotonic() - this.#heardAt) / 1000;
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.#needsList()) await this.#list(signal);
        const began = this.#clock.monotonic();
        await this.#watch(signal);
        failures = 0;
        // A server that ends each watch at once must not make us spin.
        if (this.#clock.monotonic() - began < 1_000)
          await pause(jittered(this.#timing.backoffBaseMs, 1), signal);
      } catch (thrown) {
        await this.#recover(MeshError.from(thrown), failures, signal);
        failures += 1;
      }
    }
  }

  #needsList(): boolean {
    return (
      this.#version === undefined ||
      this.#clock.monotonic() - this.#listedAt > jittered(this.#timing.resyncMs, 0.2)
    );
  }

  async #recover(error: MeshError, failures: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { log, metrics, resource, optional } = this.#options;
    metrics?.restarts.inc({ kind: this.kind, reason: error.code });
    if (error.code === 'not-found' && optional === true) {
      this.store.replace([]);
      this.#version = undefined;
      this.#heard();
      this.#listed();
      await pause(jittered(this.#timing.absentMs, 0.2), signal);
      return;
    }
    if (error.code === 'expired' || failures + 1 >= RELIST_AFTER) this.#version = undefined;
    const ms = backoffMs(failures, { baseMs: this.#timing.backoffBaseMs, capMs: this.#timing.backoffCapMs });
    const level = error.code === 'expired' ? 'info' : 'warn';
    log[level](
      { err: error, kind: resource.kind, againAfterMs: Math.round(ms), failures },
      'watch interrupted',
    );
    await pause(ms, signal);
  }

  async #list(signal: AbortSignal): Promise<void> {
    const objects: T[] = [];
    let next: string | undefined;
    let version: string;
    do {
      const page = (await this.#options.client.request({
        path: this.#path(),
        query: { ...this.#selectors(), limit: PAGE_SIZE, continue: next },
        signal,
      })) as ListPage;
      // Items of a list do not repeat what kind they are.
      const { apiVersion, kind, keep } = this.#options.resource;
      for (const raw of page.items ?? []) objects.push(keep({ apiVersion, kind, ...raw }));
      version = page.metadata?.resourceVersion ?? '';
      next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
      this.#heard();
    } while (next !== undefined);
    this.store.replace(objects);
    this.#version = version;
    this.#listedAt = this.#clock.monotonic();
    this.#listed();
  }

  #listed(): void {
    if (this.#isSynced) return;
    this.#isSynced = true;
    this.#markSynced();
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
      });
      for await (const line of lines) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), limitMs);
        this.#heard();
        if (line !== '') this.#take(line);
      }
    } catch (thrown) {
      if (silence.signal.aborted)
        throw new MeshError('timeout', `${this.#path()}: nothing heard for ${Math.round(limitMs / 1000)} s`);
      throw thrown;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(line: string): void {
    const event = parseEvent(line);
    if (event.type === 'ERROR') {
      const status = event.object as { code?: number };
      throw kubeError(status.code ?? 500, status, { method: 'WATCH', path: this.#path() });
    }
    const version = event.object.metadata?.resourceVersion;
    if (event.type !== 'BOOKMARK') {
      const object = this.#options.resource.keep(event.object);
      if (event.type === 'DELETED') this.store.delete(objectKey(object));
      else this.store.set(object);
    }
    // Last, so that an object we cannot take makes us come back to it.
    if (version !== undefined) this.#version = version;
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
  }
}

interface ListPage {
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly RawObject[];
}

interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: RawObject;
}

function parseEvent(line: string): WatchEvent {
  try {
    return JSON.parse(line) as WatchEvent;
  } catch (thrown) {
    throw new MeshError('unavailable', 'the API server sent a watch event that is no JSON', {
      cause: thrown,
    });
  }
}
