import type { Summary } from '../support/summary.js';
import type { World } from './world.js';

/** What one run measured, by name. */
export type Figures = Readonly<Record<string, number>>;

/** What all runs measured. */
export type Lookup = (figure: string) => Summary;

/** Where a scenario plays. */
export interface Stage {
  readonly world: World;
  /** Path of the test application. */
  readonly app: string;
  /** How long a load lasts: the first, or the second in the short form for CI. */
  readonly seconds: (usual: number, short: number) => number;
}

/** One row of the table of what resilience must show. */
export interface Scenario {
  /** For `--only`. */
  readonly name: string;
  readonly title: string;
  readonly goal: string;
  /** Plays it once in a fresh world. */
  readonly play: (stage: Stage) => Promise<Figures>;
  /** What was reached, in the words of the goal. */
  readonly reached: (of: Lookup) => string;
  readonly met: (of: Lookup) => boolean;
}
