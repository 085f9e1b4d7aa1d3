/** How a request may end, and that a stage in dry-run mode would have refused it: what proxies can be asked for. */
export const TAP_VERDICTS = [
  'carried',
  'denied',
  'limited',
  'answered',
  'failed',
  'cancelled',
  'broken-off',
  'fault',
  'would-refuse',
] as const;

/** Which requests a page wants to see, as a person types it; what is empty is not asked about. */
export interface TapQuestion {
  readonly namespace: string;
  /** `<kind>/<name>` as the page names workloads; empty: all of the namespace. */
  readonly workload: string;
  readonly side: TapSide | '';
  /** An account, `NAMESPACE/ACCOUNT` or a SPIFFE identity. */
  readonly from: string;
  /** A Service: `NAME` or `NAMESPACE/NAME`. */
  readonly to: string;
  /** `404`, or `5xx`. */
  readonly status: string;
  readonly verdict: (typeof TAP_VERDICTS)[number] | '';
}

export type TapSide = 'caller' | 'receiver';

/** A request, or a connection of bytes, that has ended, by the word of one pod's proxy. */
export interface Tapped {
  readonly pod: string;
  /** When it came, ISO 8601. */
  readonly time: string;
  readonly side: TapSide;
  /** `request` or `bytes`. */
  readonly kind: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly status?: number | undefined;
  readonly grpcStatus?: number | undefined;
  readonly verdict: string;
  readonly refusedBy?: string | undefined;
  readonly rule?: string | undefined;
  readonly reason?: string | undefined;
  /** Stages in dry-run mode that would have refused it. */
  readonly wouldRefuse: readonly string[];
  readonly durationMs: number;
  readonly receivedBytes: number;
  readonly sentBytes?: number | undefined;
  readonly destination: string;
  readonly route: string;
  /** Identities; empty for one that was not proved. */
  readonly caller: string;
  readonly receiver: string;
  readonly tls: string;
  readonly attempts: number;
}

/** One line of the answer of `GET /api/tap`. */
export type TapLine =
  | { readonly kind: 'watching'; readonly proxies: number }
  /** `leftOut`: how many were too many, so far. */
  | { readonly kind: 'request'; readonly request: Tapped; readonly leftOut: number }
  /** The same where no request tells it, since nothing came after those. */
  | { readonly kind: 'left-out'; readonly leftOut: number }
  | { readonly kind: 'ended'; readonly notes: readonly string[]; readonly leftOut: number }
  | { readonly kind: 'failed'; readonly error: string };
