/**
 * When somebody who says nothing counts as silent, and when as dead: after so many looks of this thread in a row. Looks
 * and not time, because both stand still together when the machine or the container does.
 */
export interface Looks {
  readonly everyMs: number;
  readonly unready: number;
  readonly dead: number;
}

/** What is done when somebody turns silent, and when dead. */
export interface Turns {
  readonly silent?: () => void;
  readonly dead: () => void;
}

/** Whether beats come, counted in looks of this thread. */
export class Pulse {
  readonly #looks: Looks;
  readonly #turns: Turns;
  #timer: NodeJS.Timeout | undefined;
  #missed = 0;

  constructor(looks: Looks, turns: Turns) {
    this.#looks = looks;
    this.#turns = turns;
  }

  get isHeard(): boolean {
    return this.#missed < this.#looks.unready;
  }

  start(): void {
    const { everyMs, unready, dead } = this.#looks;
    this.#timer = setInterval(() => {
      this.#missed += 1;
      if (this.#missed === unready) this.#turns.silent?.();
      if (this.#missed === dead) this.#turns.dead();
    }, everyMs).unref();
  }

  beat(): void {
    this.#missed = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
