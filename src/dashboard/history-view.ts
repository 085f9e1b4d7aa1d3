/** A rate in each minute, and how much of it failed or was refused; oldest first. */
export interface Trace {
  readonly rates: readonly number[];
  readonly failing: readonly number[];
}

/** What the control plane remembers by the minute, as `GET /api/history` answers it. */
export interface HistoryView {
  /** When the last of the minutes ended, to the minute, ISO 8601. */
  readonly endedAt: string;
  /** Whether anything is known of each minute. */
  readonly known: readonly boolean[];
  /** Whether a minute may be a part of what happened, because some replica knows nothing of it. */
  readonly partial: readonly boolean[];
  /** Replicas that are missing, one line each. */
  readonly notes: readonly string[];
  /** By key of the edge. */
  readonly calls: Readonly<Record<string, Trace>>;
  /** By `<namespace>/<kind>/<name>`. */
  readonly workloads: Readonly<Record<string, Trace>>;
  /** By `<namespace>/<name>`. */
  readonly services: Readonly<Record<string, Trace>>;
  readonly namespaces: Readonly<Record<string, Trace>>;
}
