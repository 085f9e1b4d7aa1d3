/** How many requests the pods of a Service take, with every default filled in. */
export interface RateLimit {
  /** Unique in its policy. */
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  /** So many may come at once. */
  readonly burst: number;
  /** Requests are counted separately by these; empty: all together. */
  readonly key: readonly RateLimitKey[];
  /** Shared by the ready pods of the Service, or had by each pod for itself. */
  readonly scope: 'Service' | 'Pod';
  /** Only count what would be refused. */
  readonly dryRun: boolean;
}

/** Something about a request by which it is told apart from others. */
export type RateLimitKey =
  | { readonly caller: 'ServiceAccount' | 'Namespace' | 'Address' | 'Network' }
  | { readonly request: 'Method' | 'Path' }
  /** In lower case. */
  | { readonly header: string };

/** A limit as one pod enforces it. */
export interface PodRateLimit extends Omit<RateLimit, 'scope'> {
  /** `<namespace>/<name>` of its policy. */
  readonly policy: string;
  /** Pods that share it, this one among them; 1 where each has it for itself. */
  readonly pods: number;
}
