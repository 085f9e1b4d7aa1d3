import type { Known, KnownObject } from './known.js';

/**
 * `error`: it is refused or does not work; `warning`: it works otherwise than its author probably thinks; `note`: it is to be known, and
 * counts for no exit code.
 */
export type Severity = 'error' | 'warning' | 'note';

/** What can be found, with what `weft analyze`, `weft check` and the documentation say of it. */
export interface Row {
  /** Never changed, and never given to another: people keep it in the settings of their CI. */
  readonly code: `WEFT${number}`;
  readonly severity: Severity;
  /** A few words without a full stop. */
  readonly title: string;
  /** What it means for traffic. */
  readonly meaning: string;
  /** What to do. */
  readonly remedy: string;
  /** Looks for it; absent where it is found by what judges the objects anyway, or by `weft check`. */
  readonly find?: (known: Known) => readonly Place[];
}

/** Where something was found. */
export interface Place {
  readonly object: KnownObject;
  /** The field, such as `spec.routes[0].split`; empty for the object as a whole. */
  readonly path: string;
  /** What is wrong here and what to do, for a person. */
  readonly message: string;
}

/** A row as its file declares it, so that its code stays known to the compiler. */
export function rows<const R extends readonly Row[]>(all: R): R {
  return all;
}
