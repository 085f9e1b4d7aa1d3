import type { RouteMatch } from './policy.js';

/** How many requests the pods of a Service take, with every default filled in. */
export interface RateLimit {
  /** Unique in its policy. */
  readonly name: string;
  readonly requests: number;
  readonly perMs: number;
  /** So many may come at once. */
  readonly burst: number;
  /** Requests that are counted, any of these; absent: all. */
  readonly matches?: readonly LimitMatch[];
  /** Absent: each request is one. */
  readonly cost?: RateLimitCost;
  /** Requests are counted separately by these; empty: all together. */
  readonly key: readonly RateLimitKey[];
  /** Shared by the ready pods of the Service, or had by each pod for itself. */
  readonly scope: 'Service' | 'Pod';
  /** Only count what would be refused. */
  readonly dryRun: boolean;
}

/** All that is set must hold. */
export type LimitMatch = Pick<RouteMatch, 'headers' | 'path' | 'method'>;

/** What a request takes of a limit. */
export interface RateLimitCost {
  /** When it comes; and in the end, where its response does not say another. */
  readonly amount: number;
  /** Of the response, in lower case: it says what the request took in the end. */
  readonly header?: string;
  /** A member of a JSON response that says it: names from the outermost on. */
  readonly field?: readonly string[];
}

/** Something about a request by which it is told apart from others. */
export type RateLimitKey =
  | { readonly caller: 'ServiceAccount' | 'Namespace' | 'Address' | 'Network' }
  | { readonly request: 'Method' | 'Path' }
  /** In lower case. */
  | { readonly header: string }
  | { readonly claim: CountedClaim };

/** A claim of the tokens of one issuer. */
export interface CountedClaim {
  readonly issuer: string;
  /** Names, from the outermost on. */
  readonly path: readonly string[];
}

/** A limit as one pod enforces it. */
export interface PodRateLimit extends Omit<RateLimit, 'scope'> {
  /** `<namespace>/<name>` of its policy. */
  readonly policy: string;
  /** Pods that share it, this one among them; 1 where each has it for itself. */
  readonly pods: number;
}
