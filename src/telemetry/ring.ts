/** How a ring divides time. */
export interface Division {
  readonly slotMs: number;
  readonly slots: number;
}

const LARGEST = 0xffff_ffff;

/** Sums of a row of numbers over slots of time, the oldest of which is forgotten for each that begins. */
export class Ring {
  readonly #division: Division;
  readonly #width: number;
  readonly #sums: Uint32Array;
  /** Number of the newest slot since time began. */
  #newest = 0;

  constructor(division: Division, width: number) {
    this.#division = division;
    this.#width = width;
    this.#sums = new Uint32Array(division.slots * width);
  }

  /** What a ring takes, in bytes. */
  static bytes({ slots }: Division, width: number): number {
    return slots * width * Uint32Array.BYTES_PER_ELEMENT + 256;
  }

  /** Adds to the number at `place`, evenly to all slots of the time that ended now; what is older than the ring, or time, is left out. */
  add(now: number, covers: number, [place, amount]: readonly [place: number, amount: number]): void {
    const { slotMs, slots } = this.#division;
    const newest = Math.floor(now / slotMs);
    this.#turnTo(newest);
    const count = newest - Math.floor((now - covers) / slotMs) + 1;
    const each = Math.floor(amount / count);
    const rest = amount % count;
    for (let back = 0; back < Math.min(count, slots, newest + 1); back++) {
      const at = ((newest - back) % slots) * this.#width + place;
      this.#sums[at] = Math.min(LARGEST, (this.#sums[at] ?? 0) + each + (back < rest ? 1 : 0));
    }
  }

  /** Adds the sums since a moment, the slot that it is in with them, to `into`. */
  sumSince(now: number, since: number, into: number[]): void {
    const { slotMs, slots } = this.#division;
    this.#turnTo(Math.floor(now / slotMs));
    const first = Math.max(Math.floor(since / slotMs), this.#newest - slots + 1, 0);
    for (let slot = first; slot <= this.#newest; slot++) {
      const from = (slot % slots) * this.#width;
      for (let place = 0; place < this.#width; place++)
        into[place] = (into[place] ?? 0) + (this.#sums[from + place] ?? 0);
    }
  }

  /** The sums at each place over the last slots that are over, oldest first. */
  columns(now: number, slots: number): number[][] {
    this.#turnTo(Math.floor(now / this.#division.slotMs));
    const columns = Array.from({ length: this.#width }, () => new Array<number>(slots).fill(0));
    for (let back = 1; back <= Math.min(slots, this.#division.slots - 1, this.#newest); back++) {
      const from = ((this.#newest - back) % this.#division.slots) * this.#width;
      for (const [place, column] of columns.entries()) column[slots - back] = this.#sums[from + place] ?? 0;
    }
    return columns;
  }

  #turnTo(slot: number): void {
    const { slots } = this.#division;
    for (let next = Math.max(this.#newest + 1, slot - slots + 1, 0); next <= slot; next++) {
      const from = (next % slots) * this.#width;
      this.#sums.fill(0, from, from + this.#width);
    }
    this.#newest = Math.max(this.#newest, slot);
  }
}
