/** Whoever is looked at once a round. */
export interface Patrolled {
  /** Called once in each round, first one round or less after it was added. */
  look(): void;
}

/** Parts of a round: so often a timer wakes the thread, whatever the number of those who are looked at. */
const PARTS = 20;

/** Looks at each of many things once in a while, a part of them at a time: a timer for each would wake an idle thread for each. */
export class Rounds {
  readonly #parts: readonly Set<Patrolled>[] = Array.from({ length: PARTS }, () => new Set<Patrolled>());
  readonly #timer: NodeJS.Timeout;
  #at = 0;
  #nextPart = 0;

  /** `everyMs` is the length of a round, in milliseconds; the timer keeps no process alive. */
  constructor(everyMs: number) {
    this.#timer = setInterval(() => this.#lookAtPart(), everyMs / PARTS).unref();
  }

  /** The answer takes it out again. */
  add(one: Patrolled): () => void {
    const part = this.#parts[this.#nextPart];
    this.#nextPart = (this.#nextPart + 1) % PARTS;
    part?.add(one);
    return () => void part?.delete(one);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #lookAtPart(): void {
    for (const one of this.#parts[this.#at] ?? []) one.look();
    this.#at = (this.#at + 1) % PARTS;
  }
}
