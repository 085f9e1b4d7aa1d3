/** Writes that are done at once: an upgrade, or somebody who tries something, overwrites ours a few times. */
const AT_ONCE = 4;
/** Between the next ones twice as long each time, up to the longest. */
const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** Who has written nothing over ours for so long has ended. */
const OVER_AFTER_MS = 120_000;

/**
 * Counts how often somebody writes over what we write, and spaces our writes out: each of theirs would cost one of ours, for good.
 * Times are of a clock that never goes back.
 */
export class Contest {
  #value: string | undefined;
  #writes = 0;
  #lastAt = 0;

  /** How long to wait before `value` is written again; a value of which we have not written any is not waited for. */
  delayMs(value: string, now: number): number {
    if (value !== this.#value || this.#writes < AT_ONCE) return 0;
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (this.#writes - AT_ONCE));
    return Math.max(0, this.#lastAt + delay - now);
  }

  /** We have written it. */
  wrote(value: string, now: number): void {
    const goesOn = value === this.#value && now - this.#lastAt < OVER_AFTER_MS;
    this.#writes = goesOn ? this.#writes + 1 : 1;
    this.#value = value;
    this.#lastAt = now;
  }

  /** Whether somebody keeps overwriting what we write. */
  isOn(now: number): boolean {
    return this.#writes >= AT_ONCE && now - this.#lastAt < OVER_AFTER_MS;
  }
}
