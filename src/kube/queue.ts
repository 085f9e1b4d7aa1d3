import {
  MeshError,
  backoffMs,
  type BackoffOptions,
  type Counter,
  type ErrorCode,
  type Gauge,
  type Histogram,
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
  readonly retries: Counter<'queue'>;
  readonly depth: Gauge<'queue'>;
  readonly waited: Histogram<'queue'>;
  readonly worked: Histogram<'queue'>;
}

const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];

/** What controller-runtime measures of its queues. */
export function createQueueMetrics(metrics: Metrics): QueueMetrics {
  const byQueue = { labelNames: ['queue'] as const, buckets: SECONDS };
  return {
    done: metrics.counter('weft_queue_reconciles_total', 'Keys worked on, by how it went.', [
      'queue',
      'result',
    ]),
    retries: metrics.counter('weft_queue_retries_total', 'Keys that come back after a failure.', ['queue']),
    depth: metrics.gauge('weft_queue_depth', 'Keys that wait for their turn.', ['queue']),
    waited: metrics.histogram('weft_queue_wait_seconds', 'Time a key waited for its turn.', byQueue),
    worked: metrics.histogram('weft_queue_reconcile_seconds', 'Time it took to work on a key.', byQueue),
  };
}

/** Thrown by a reconciler that knows that only a change can help: the key is not tried again until it is added again. */
export class TerminalError extends Error {
  constructor(cause: MeshError) {
    super(cause.message, { cause });
    this.name = 'TerminalError';
  }
}

/** The same promise, where a failure with one of these codes is terminal for the key that is worked on. */
export async function terminalOn<T>(codes: readonly ErrorCode[], pending: Promise<T>): Promise<T> {
  try {
    return await pending;
  } catch (thrown) {
    if (thrown instanceof MeshError && codes.includes(thrown.code)) throw new TerminalError(thrown);
    throw thrown;
  }
}

/**
 * A work queue that never holds a key twice: adding one that waits changes nothing, adding one in flight makes it
 * wait until that run has ended. Failures come back with growing delays, unless the
 * reconciler says that trying again cannot help.
 */
export class WorkQueue {
  readonly #options: QueueOptions;
  /** Key to the moment from which it waits, in milliseconds. */
  readonly #waiting = new Map<string, number>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, { readonly due: number; readonly timer: NodeJS.Timeout }>();
  readonly #abort = new AbortController();

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Keys that wait, run or are to come back. */
  get size(): number {
    return new Set([...this.#waiting.keys(), ...this.#running.keys(), ...this.#timers.keys()]).size;
  }

  add(key: string): void {
    if (this.#abort.signal.aborted) return;
    this.#cancelTimer(key);
    if (!this.#waiting.has(key)) this.#waiting.set(key, performance.now());
    this.#measureDepth();
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
    this.#measureDepth();
    await Promise.allSettled(this.#running.values());
  }

  #pump(): void {
    const { name, metrics, concurrency = 4 } = this.#options;
    for (const [key, since] of this.#waiting) {
      if (this.#running.size >= concurrency) return;
      if (this.#running.has(key)) continue;
      this.#waiting.delete(key);
      this.#measureDepth();
      metrics?.waited.observe({ queue: name }, (performance.now() - since) / 1000);
      this.#running.set(key, this.#run(key));
    }
  }

  async #run(key: string): Promise<void> {
    const { name, metrics } = this.#options;
    const began = performance.now();
    try {
      const outcome = await this.#options.reconcile(key, this.#abort.signal);
      this.#failures.delete(key);
      this.#count('ok');
      const { againAfterMs } = outcome ?? {};
      if (againAfterMs !== undefined && !this.#waiting.has(key)) this.addAfter(key, againAfterMs);
    } catch (thrown) {
      if (this.#abort.signal.aborted) return;
      if (thrown instanceof TerminalError) this.#giveUp(key, thrown);
      else this.#failed(key, MeshError.from(thrown));
    } finally {
      metrics?.worked.observe({ queue: name }, (performance.now() - began) / 1000);
      this.#running.delete(key);
      this.#pump();
    }
  }

  #giveUp(key: string, error: TerminalError): void {
    this.#failures.delete(key);
    this.#count('given-up');
    this.#options.log.error(
      { err: error, queue: this.#options.name, key },
      'giving up until something changes',
    );
  }

  #failed(key: string, error: MeshError): void {
    const { name, log, metrics, backoff = { baseMs: 200, capMs: 60_000 } } = this.#options;
    const attempt = this.#failures.get(key) ?? 0;
    this.#failures.set(key, attempt + 1);
    this.#count('failed');
    metrics?.retries.inc({ queue: name });
    const ms = backoffMs(attempt, backoff);
    log.warn({ err: error, queue: name, key, attempt, againAfterMs: Math.round(ms) }, 'will try again');
    if (!this.#waiting.has(key)) this.addAfter(key, ms);
  }

  #count(result: 'ok' | 'failed' | 'given-up'): void {
    this.#options.metrics?.done.inc({ queue: this.#options.name, result });
  }

  #measureDepth(): void {
    this.#options.metrics?.depth.set({ queue: this.#options.name }, this.#waiting.size);
  }

  #cancelTimer(key: string): void {
    clearTimeout(this.#timers.get(key)?.timer);
    this.#timers.delete(key);
  }
}
