/** Tells listeners which policies have a new summary: at once the first time, then at most every `everyMs`. */
export class AckNotifier {
  readonly #everyMs: number;
  readonly #signal: AbortSignal;
  readonly #listeners: ((policyUids: ReadonlySet<string>) => void)[] = [];
  #touched = new Set<string>();
  #isTouched = false;
  #timer: NodeJS.Timeout | undefined;
  #lastAt = Number.NEGATIVE_INFINITY;
  /** Policies to look at again when somebody may be late: those touched in this period, and in the one before. */
  #later = new Set<string>();
  #next = new Set<string>();
  #laterTimer: NodeJS.Timeout | undefined;

  /** The signal ends the notifications. */
  constructor(everyMs: number, signal: AbortSignal) {
    this.#everyMs = everyMs;
    this.#signal = signal;
    const stop = (): void => {
      clearTimeout(this.#timer);
      clearTimeout(this.#laterTimer);
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  listen(listener: (policyUids: ReadonlySet<string>) => void): void {
    this.#listeners.push(listener);
  }

  /** These policies may have a new summary, and another one in `againAfterMs` although nothing happens. */
  touch(uids: readonly string[], againAfterMs?: number): void {
    if (this.#signal.aborted) return;
    for (const uid of uids) this.#touched.add(uid);
    this.#isTouched = true;
    if (againAfterMs !== undefined) this.#touchLater(uids, againAfterMs);
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#lastAt + this.#everyMs - performance.now());
    this.#timer = setTimeout(() => this.#tell(), wait);
  }

  /** One timer for all: it looks at a policy again after one to two times `ms`. */
  #touchLater(uids: Iterable<string>, ms: number): void {
    for (const uid of uids) this.#next.add(uid);
    if (this.#laterTimer !== undefined || this.#next.size + this.#later.size === 0) return;
    const look = (): void => {
      this.#laterTimer = undefined;
      const due = this.#later;
      [this.#later, this.#next] = [this.#next, new Set()];
      this.touch([...due]);
      this.#touchLater([], ms);
    };
    this.#laterTimer = setTimeout(look, ms).unref();
  }

  #tell(): void {
    this.#timer = undefined;
    if (!this.#isTouched) return;
    this.#lastAt = performance.now();
    const uids = this.#touched;
    this.#touched = new Set();
    this.#isTouched = false;
    for (const listener of this.#listeners) listener(uids);
  }
}
