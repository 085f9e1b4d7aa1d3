/** A promise about who does not get in, played with attempts to get in all the same. */
export interface Row {
  /** Of the acceptance table. */
  readonly area: string;
  readonly name: string;
  readonly play: () => Promise<Played>;
}

/** What came of it. A row is met if nothing went wrong and something was tried. */
export interface Played {
  /** Attempts that must be refused, with no byte at what they were aimed at. */
  readonly attempts: number;
  /** The same with one thing right, which must pass: a proxy that refuses everything meets nothing. */
  readonly twins: number;
  readonly wrong: readonly string[];
}

/** A row of the table that nothing here can play yet. */
export interface NotYet {
  readonly area: string;
  readonly name: string;
  readonly because: string;
}

/** A row of the table that is played by something else. */
export interface Elsewhere {
  readonly area: string;
  readonly name: string;
  /** A file, and how it is run. */
  readonly by: string;
}

/** Adds up. */
export function together(parts: readonly Played[]): Played {
  return {
    attempts: parts.reduce((total, { attempts }) => total + attempts, 0),
    twins: parts.reduce((total, { twins }) => total + twins, 0),
    wrong: parts.flatMap(({ wrong }) => wrong),
  };
}
