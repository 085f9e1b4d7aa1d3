import type { AskedService, ServiceToAsk } from './asked-service.js';
import type { RouteMatch } from './policy.js';

/** How many requests the pods of a Service take, or send, with every default filled in. */
export interface RateLimit {
  /** Unique in its policy. */
  readonly name: string;
  /** 0 where only the service that counts knows how many, and then so is what follows. */
  readonly requests: number;
  readonly perMs: number;
  /** So many may come at once. */
  readonly burst: number;
  /** It counts what the pods send there; absent: what they take. */
  readonly to?: Callee;
  /** Requests that are counted, any of these; absent: all. */
  readonly matches?: readonly LimitMatch[];
  /** Absent: each request is one. */
  readonly cost?: RateLimitCost;
  /** Requests are counted separately by these; empty: all together. */
  readonly key: readonly RateLimitKey[];
  /** Shared evenly by the ready pods of the Service, had by each pod for itself, or counted for all by a service. */
  readonly scope: 'Service' | 'Pod' | 'Shared';
  /** Who counts, with scope Shared. */
  readonly counted?: CountedBy;
  /** Only count what would be refused. */
  readonly dryRun: boolean;
}

/** Whom pods call. */
export interface Callee {
  readonly kind: 'Service' | 'ExternalService';
  readonly namespace: string;
  readonly name: string;
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

/** A service that counts for all pods. */
export interface CountedBy {
  readonly service: ServiceToAsk;
  /** Which configuration of it holds. */
  readonly domain: string;
  readonly timeoutMs: number;
  /** What becomes of a request without a usable answer. */
  readonly onFailure: OnLimitFailure;
}

/** Let in, refused, or counted by the pod as its share. */
export type OnLimitFailure = 'allow' | 'deny' | 'podShare';

/** Something about a request by which it is told apart from others. */
export type RateLimitKey =
  | { readonly caller: 'ServiceAccount' | 'Namespace' | 'Address' | 'Network' }
  | { readonly request: 'Method' | 'Path' }
  /** In lower case. */
  | { readonly header: string }
  | { readonly claim: CountedClaim }
  /** The same for all requests: tells a service which limit is meant. */
  | { readonly constant: { readonly name: string; readonly value: string } };

/** A claim of the tokens of one issuer. */
export interface CountedClaim {
  readonly issuer: string;
  /** Names, from the outermost on. */
  readonly path: readonly string[];
}

/** A limit as one pod enforces it. */
export interface PodRateLimit extends Omit<RateLimit, 'scope' | 'counted' | 'to'> {
  /** `<namespace>/<name>` of its policy. */
  readonly policy: string;
  /** Pods that share it, this one among them; 1 where each has it for itself. */
  readonly pods: number;
}

/** A limit on what one pod sends. */
export interface PodCallerLimit {
  readonly to: Callee;
  readonly limit: PodRateLimit;
}

/** What one service counts of one domain, as one pod asks about it, in one call. */
export interface PodSharedLimits {
  /** `<namespace>/<name>` of the Service. */
  readonly service: string;
  readonly port: number;
  /** Absent: nobody can be asked, and `onFailure` says what that means. */
  readonly asks?: AskedService;
  readonly domain: string;
  readonly timeoutMs: number;
  /** All of them dry runs, or none. */
  readonly limits: readonly { readonly limit: PodRateLimit; readonly onFailure: OnLimitFailure }[];
}
