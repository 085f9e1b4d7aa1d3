/** Work that is refused because too much of the same peer waits already. */
export class TooManyWaiting extends Error {}

/**
 * Lets a few pieces of work run at once, and peers take turns: one that sends a thousand waits for itself. Between two
 * pieces everything else that waits for this thread gets its turn, too.
 */
export class FairTurns {
  readonly #limit: number;
  readonly #maxWaiting: number;
  /** Who waits, by peer; the one whose turn is next comes first. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #running = 0;

  /** `limit` pieces at once; `maxWaiting` of one peer may wait. */
  constructor(options: { readonly limit: number; readonly maxWaiting: number }) {
    this.#limit = options.limit;
    this.#maxWaiting = options.maxWaiting;
  }

  /** Runs `work` when it is the peer's turn; throws `TooManyWaiting`. */
  async run<T>(peer: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limit) this.#running += 1;
    else await this.#wait(peer);
    try {
      return await work();
    } finally {
      setImmediate(() => this.#next());
    }
  }

  async #wait(peer: string): Promise<void> {
    const queue = this.#waiting.get(peer) ?? [];
    if (queue.length >= this.#maxWaiting) throw new TooManyWaiting(`${queue.length} of ${peer} wait already`);
    await new Promise<void>((resolve) => {
      queue.push(resolve);
      this.#waiting.set(peer, queue);
    });
  }

  /** Hands the place of what has ended to the next peer, or gives it back. */
  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#running -= 1;
      return;
    }
    const [peer, queue] = first;
    this.#waiting.delete(peer);
    const resolve = queue.shift();
    if (queue.length > 0) this.#waiting.set(peer, queue);
    resolve?.();
  }
}
