/** What a destination and its routes do about failures and overload, with every default filled in. */

import type { Portion } from './route-actions.js';

/** When endpoints of a destination get a rest: outlier detection. At least one condition is set. */
export interface Outliers {
  /** Failures of any kind in a row. */
  readonly consecutiveFailures?: number;
  /** Answers of a gateway that did not reach somebody, in a row. */
  readonly consecutiveGatewayErrors?: number;
  /** Requests in a row that got no answer. */
  readonly consecutiveLocalErrors?: number;
  /** Percent of the requests in a window; an endpoint where fewer succeed is ejected. */
  readonly successRate?: { readonly below: number; readonly windowMs: number; readonly minRequests: number };
  readonly ejection: {
    /** Of the first ejection; the n-th is n times as long, up to the longest. */
    readonly baseMs: number;
    readonly maxMs: number;
    /** Part of the endpoints that may be ejected at a time. */
    readonly maxPercent: number;
    /** Where fewer than this part of the endpoints is left, ejections are ignored. */
    readonly panicPercent: number;
  };
}

/** How much may be under way at once in a worker of a caller; absent: no limit. */
export interface Limits {
  /** Of opaque ports, and of HTTP/1.1 to endpoints without a proxy. */
  readonly maxConnections?: number;
  readonly maxRequests?: number;
  /** What waits when a limit is reached. */
  readonly maxPending: number;
  /** Bounds of a limit that follows the latency. */
  readonly adaptive?: { readonly min: number; readonly max: number };
}

/** When a copy of a request is sent because it is slow. */
export interface Hedging {
  /** Without an answer, or as long as a percent of the recent requests took at most. */
  readonly after: { readonly delayMs: number } | { readonly percentile: number };
  /** Copies beside the first. */
  readonly attempts: number;
  readonly methods: readonly string[];
  /** The route's retries count in the same one. */
  readonly budget: Budget;
}

/** Bound of all that is sent again together. */
export interface Budget {
  /** Of the requests in the interval. */
  readonly percent: number;
  readonly intervalMs: number;
  /** Allowed in any case. */
  readonly minPerSecond: number;
  /** Whoever asks once it is used up is answered 503, instead of what the last try gave (GEP-3388). */
  readonly refuses?: true;
}

/** Failures on purpose. At least one of the three is set. */
export interface Fault {
  readonly abort?: {
    readonly portion: Portion;
    readonly status: number;
    /** For gRPC callers. */
    readonly grpcStatus: number;
  };
  readonly delay?: { readonly portion: Portion; readonly durationMs: number };
  readonly slowBody?: { readonly portion: Portion; readonly bytesPerSecond: number };
  /** At once to the destination, in a worker of a caller; further requests are spared. */
  readonly maxActive: number;
}
