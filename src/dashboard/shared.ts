import type { Clock } from '../base/index.js';

/** A value that is looked up for all who ask at about the same time. A failure is nobody else's: the next who asks tries again. */
export class Shared<T> {
  readonly #clock: Clock;
  readonly #freshMs: number;
  readonly #look: (signal: AbortSignal) => Promise<T>;
  #last: { at: number; readonly value: Promise<T> } | undefined;

  constructor(clock: Clock, freshMs: number, look: (signal: AbortSignal) => Promise<T>) {
    this.#clock = clock;
    this.#freshMs = freshMs;
    this.#look = look;
  }

  /** The value as it is, or was shortly before. */
  get(signal: AbortSignal): Promise<T> {
    const now = this.#clock.monotonic();
    if (this.#last !== undefined && now - this.#last.at < this.#freshMs) return this.#last.value;
    const value = this.#look(signal);
    const current = { at: Infinity, value };
    this.#last = current;
    value.then(
      () => (current.at = this.#clock.monotonic()),
      () => (this.#last = undefined),
    );
    return value;
  }
}
