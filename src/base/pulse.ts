/**
 * When somebody who says nothing counts as silent, and when as dead: after so many looks of this thread in a row. Looks
 * and not time, because both stand still together when the machine or the container does.
 */
export interface Looks {
  readonly everyMs: number;
  readonly unready: number;
  readonly dead: number;
}

/** Whether beats come, counted in looks of this thread. */
export class Pulse {
  readonly #looks: Looks;
  readonly #dead: () => void;
  #timer: NodeJS.Timeout | undefined;
  #missed = 0;

  constructor(looks: Looks, dead: () => void) {
    this.#looks = looks;
    this.#dead = dead;
  }

  get isHeard(): boolean {
    return this.#missed < this.#looks.unready;
  }

  start(): void {
    const { everyMs, dead } = this.#looks;
    this.#timer = setInterval(() => {
      this.#missed += 1;
      if (this.#missed === dead) this.#dead();
    }, everyMs).unref();
  }

  beat(): void {
    this.#missed = 0;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
