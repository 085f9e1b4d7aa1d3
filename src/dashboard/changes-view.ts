/** That somebody changed an object, as far as the cluster remembers. */
export interface ChangeView {
  readonly kind: string;
  /** Empty for cluster-wide kinds. */
  readonly namespace: string;
  readonly name: string;
  /** Counts changes of its spec; 0 where the kind does not count. */
  readonly generation: number;
  /** ISO 8601; of what is gone, when the dashboard missed it. */
  readonly at: string;
  /** The field manager: what program wrote it, such as `kubectl-client-side-apply` or `helm`. Empty for what is gone. */
  readonly who: string;
  readonly how: 'created' | 'changed' | 'gone';
}

/** Changes of the last half hour, newest first, as `GET /api/changes` answers it. */
export interface ChangesView {
  readonly changes: readonly ChangeView[];
  /** Kinds that were not to be read, and why. */
  readonly gaps: readonly string[];
}
