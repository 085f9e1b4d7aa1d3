import type { Traffic } from './traffic.js';

/** What became of a row. */
export interface Played {
  readonly traffic: Traffic;
  /** From the fault to the last request that it hurt, in seconds; 0: it hurt none. */
  readonly hurt: number;
  /** From the end of the fault to the last request that it hurt, or until what was asked for acted again, in seconds. */
  readonly recovery: number;
  /** What shows that there was a fault, and anything else that was measured. */
  readonly seen: string;
  /** Each thing that is not as promised; the row is met where there is none. */
  readonly wrong: readonly string[];
}

/** One row of the table: a fault, and what is promised under it. */
export interface Row<Ground> {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly promise: string;
  readonly play: (ground: Ground) => Promise<Played>;
}
