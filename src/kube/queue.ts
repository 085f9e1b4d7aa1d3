import {
  MeshError,
  backoffMs,
  type BackoffOptions,
  type Counter,
  type Logger,
  type Metrics,
} from '../base/index.js';

/** What to do with a key after it was worked on without error. */
export interface Outcome {
  /** Work on it again after this long, even if nothing changes. */
  readonly againAfterMs?: number;
}

export interface QueueOptions {
  readonly name: string;
  /** Brings the world to what it should be for this key; reads the current state, never an event. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<Outcome | undefined>;
  readonly log: Logger;
  readonly metrics?: QueueMetrics;
  /** How many keys are worked on at once; one key never twice at once. Default 4. */
  readonly concurrency?: number;
  /** Default 0.2 s doubling to 60 s. */
  readonly backoff?: BackoffOptions;
}

export interface QueueMetrics {
  readonly done: Counter<'queue' | 'result'>;
}

export function createQueueMetrics(metrics: Metrics): QueueMetrics {
  return {
    done: metrics.counter('weft_queue_reconciles_total', 'Keys worked on, by how it went.', [
      'queue',
      'result',
    ]),
  };
}

/** Here only a change of the object or of the world helps, and that adds the key again. RBAC may be granted: not here. */
const HOPELESS: ReadonlySet<string> = new Set(['invalid', 'precondition', 'not-found']);

/**
 * A work queue that never holds a key twice: adding one that waits changes nothing, adding one in flight makes it
 * wait until that run has ended. Failures come back with growing delays, unless trying again cannot help.
 */
export class WorkQueue {
  readonly #options: QueueOptions;
  readonly #waiting = new Set<string>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { readonly due: number; readonly timer: NodeJS.Timeout }>();
  readonly #abort = new AbortController();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Keys that wait, run or are to come back. */
  get size(): number {
    return new Set([...this.#waiting, ...this.#running.keys(), ...this.#timers.keys()]).size;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#cancelTimer(key);
    this.#waiting.add(key);
    // Not at once, so that whoever adds finishes what it is doing, and adds all it has to.
    queueMicrotask(() => this.#pump());
  }

  /** Adds the key after a while, or sooner where something else asks for it sooner. */
  addAfter(key: string, ms: number): void {
    if (this.#abort.signal.aborted) return;
    const due = performance.now() + ms;
    if ((this.#timers.get(key)?.due ?? Infinity) <= due) return;
    this.#cancelTimer(key);
    this.#timers.set(key, { due, timer: setTimeout(() => this.add(key), ms) });
  }

  /** Takes no more work, aborts what runs and waits for it to end. */
  async stop(): Promise<void> {
    this.#abort.abort();
    for (const key of [...this.#timers.keys()]) this.#cancelTimer(key);
    this.#waiting.clear();
    await Promise.allSettled(this.#running.values());
  }

  #pump(): void {
    for (const key of this.#waiting) {
      if (this.#running.size >= (this.#options.concurrency ?? 4)) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  async #run(key: string): Promise<void> {
    try {
      const outcome = await this.#options.reconcile(key, this.#abort.signal);
      this.#failures.delete(key);
      this.#count('ok');
      const { againAfterMs } = outcome ?? {};
      if (againAfterMs !== undefined && !this.#waiting.has(key)) this.addAfter(key, againAfterMs);
    } catch (thrown) {
      if (!this.#abort.signal.aborted) this.#failed(key, MeshError.from(thrown));
    } finally {
      this.#running.delete(key);
      this.#pump();
    }
  }

  #failed(key: string, error: MeshError): void {
    const { name, log, backoff = { baseMs: 200, capMs: 60_000 } } = this.#options;
    if (HOPELESS.has(error.code)) {
      this.#failures.delete(key);
      this.#count('given-up');
      log.error({ err: error, queue: name, key }, 'giving up until something changes');
      return;
    }
    const attempt = this.#failures.get(key) ?? 0;
    this.#failures.set(key, attempt + 1);
    this.#count('failed');
    const ms = backoffMs(attempt, backoff);
    log.warn({ err: error, queue: name, key, attempt, againAfterMs: Math.round(ms) }, 'will try again');
    if (!this.#waiting.has(key)) this.addAfter(key, ms);
  }

  #count(result: 'ok' | 'failed' | 'given-up'): void {
    this.#options.metrics?.done.inc({ queue: this.#options.name, result });
  }

  #cancelTimer(key: string): void {
    clearTimeout(this.#timers.get(key)?.timer);
    this.#timers.delete(key);
  }
}
