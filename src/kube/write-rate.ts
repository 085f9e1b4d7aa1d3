import { sleep, systemClock, type Clock } from '../base/index.js';

export interface WriteRateOptions {
  /** Writes a second in the long run. Default 20, as controller-runtime. */
  readonly perSecond?: number;
  /** Writes at once after a quiet time. Default 30, as controller-runtime. */
  readonly burst?: number;
  readonly clock?: Clock;
}

/** How often we write to the API server, whatever makes us want to: the last fence in front of a write war. */
export class WriteRate {
  readonly #everyMs: number;
  readonly #burst: number;
  readonly #clock: Clock;
  /** When, at the rate, all that was let through would have been due. */
  #dueAt = -Infinity;

  constructor(options: WriteRateOptions = {}) {
    this.#everyMs = 1000 / (options.perSecond ?? 20);
    this.#burst = options.burst ?? 30;
    this.#clock = options.clock ?? systemClock;
  }

  /** Waits for its turn, and tells how many milliseconds that took; throws when the signal aborts. */
  async take(signal?: AbortSignal): Promise<number> {
    const now = this.#clock.monotonic();
    this.#dueAt = Math.max(this.#dueAt, now - this.#everyMs * this.#burst) + this.#everyMs;
    const waitMs = Math.max(0, this.#dueAt - now);
    if (waitMs > 0) await sleep(waitMs, signal);
    return waitMs;
  }
}
