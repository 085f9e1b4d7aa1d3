/** GCRA, as proxies count (`proxy/src/rate_limit.rs`); times are in seconds. */
export class Bucket {
  #arrival = 0;
  #rate = 0;

  /** Whether one more request at `now` is let in, at `rate` a second with so many at once. */
  take(now: number, rate: number, burst: number): boolean {
    if (rate <= 0) return false;
    const next = Math.max(this.#arrival, now) + 1 / rate;
    // A pod whose share of the burst is less than one lets in one.
    if (next - now > Math.max(burst, 1) / rate + 1e-9) return false;
    this.#arrival = next;
    return true;
  }

  /** What is taken so far is so many requests, not so much time: else one at a low rate closes a high one for long. */
  becomes(now: number, rate: number): void {
    if (rate <= 0 || rate === this.#rate) return;
    this.#arrival = now + (Math.max(0, this.#arrival - now) * this.#rate) / rate;
    this.#rate = rate;
  }
}
