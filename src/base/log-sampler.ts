import { RateLimit } from './rate-limit.js';

/** Lines of one key: five at once, then one in a minute. */
const PER_KEY = { burst: 5, everyMs: 60_000 };
/** Lines of all keys together: fifty at once, then five in a second. */
const OVERALL = { burst: 50, everyMs: 200 };

/** Decides which lines about what strangers do are written, so that they can fill neither the log nor the disk. */
export class LogSampler {
  readonly #perKey = new RateLimit(PER_KEY);
  readonly #overall = new RateLimit(OVERALL);
  #omitted = 0;

  /**
   * Whether to write a line about `key`, such as a reason and an address; with how many lines were left out before it.
   * Undefined: leave it out. `now` in milliseconds, from a clock that never goes back.
   */
  take(key: string, now: number = performance.now()): { readonly omitted: number } | undefined {
    if (!this.#perKey.take(key, now) || !this.#overall.take('', now)) {
      this.#omitted += 1;
      return undefined;
    }
    const omitted = this.#omitted;
    this.#omitted = 0;
    return { omitted };
  }
}

/** Text from outside, short enough for a line of the log. Default 256 characters. */
export function cut(text: string, length = 256): string {
  return text.length > length ? `${text.slice(0, length)}...` : text;
}
