/** What was found in the cluster's objects, as `GET /api/findings` answers it. */
export interface FindingsView {
  /** Worst first. */
  readonly findings: readonly FindingView[];
  /** How many objects were looked at. */
  readonly objects: number;
  /** What was not to be read, so that nothing is said about it. */
  readonly gaps: readonly string[];
}

export interface FindingView {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'note';
  readonly title: string;
  /** `TrafficPolicy shop/reviews`. */
  readonly object: string;
  /** The field; empty for the object as a whole. */
  readonly path: string;
  readonly message: string;
  /** What it means for traffic, and what to do. */
  readonly meaning: string;
  readonly remedy: string;
}
