/** Token buckets by key: each holds `burst`, and refills one every `everyMs` milliseconds. */
export class RateLimit {
  readonly #burst: number;
  readonly #everyMs: number;
  readonly #maxKeys: number;
  /** Key to the moment its bucket is full again, oldest use first. */
  readonly #fullAt = new Map<string, number>();

  /** Keys that were full longest ago are forgotten first; above `maxKeys` (default 20,000) even others are. */
  constructor(options: { readonly burst: number; readonly everyMs: number; readonly maxKeys?: number }) {
    this.#burst = options.burst;
    this.#everyMs = options.everyMs;
    this.#maxKeys = options.maxKeys ?? 20_000;
  }

  /** Takes tokens, default one; false when there are too few. `now` in milliseconds, from a clock that never goes back. */
  take(key: string, now: number, amount = 1): boolean {
    const from = Math.max(this.#fullAt.get(key) ?? now, now);
    const fullAt = from + this.#everyMs * amount;
    if (fullAt - now > this.#burst * this.#everyMs) return false;
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    this.#forget(now);
    return true;
  }

  #forget(now: number): void {
    for (const [key, fullAt] of this.#fullAt) {
      if (fullAt > now && this.#fullAt.size <= this.#maxKeys) return;
      this.#fullAt.delete(key);
    }
  }
}
