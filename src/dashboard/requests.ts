import type { Counted } from './increase.js';

/** How many requests there were per second, and what became of them. */
export interface Requests {
  perSecond: number;
  /** Neither succeeded nor failed: the caller left before there was an answer. */
  abandonedPerSecond: number;
  /** By HTTP status or `grpc <number>`. */
  readonly failures: Map<string, number>;
}

/** gRPC statuses that are the server's fault: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const GRPC_FAILURES: ReadonlySet<string> = new Set(['2', '4', '12', '13', '14', '15']);
/** What the proxy records when the caller went away. */
const CALLER_LEFT = '499';

export function noRequests(): Requests {
  return { perSecond: 0, abandonedPerSecond: 0, failures: new Map() };
}

/** Adds a series of `weft_requests_total`. */
export function addRequests(requests: Requests, { labels, perSecond }: Counted): void {
  requests.perSecond += perSecond;
  if (perSecond === 0) return;
  const { code = '', grpc_status: grpc = '' } = labels;
  if (code === CALLER_LEFT) requests.abandonedPerSecond += perSecond;
  const failure = failureOf(code, grpc);
  if (failure !== undefined)
    requests.failures.set(failure, (requests.failures.get(failure) ?? 0) + perSecond);
}

/** Share of the answered requests that did not fail, 0 to 1; undefined when none was answered. */
export function successRate(requests: Requests): number | undefined {
  const answered = requests.perSecond - requests.abandonedPerSecond;
  if (!(answered > 0)) return undefined;
  const failed = [...requests.failures.values()].reduce((sum, perSecond) => sum + perSecond, 0);
  return Math.max(0, 1 - failed / answered);
}

function failureOf(code: string, grpc: string): string | undefined {
  if (code.startsWith('5')) return code;
  return GRPC_FAILURES.has(grpc) ? `grpc ${grpc}` : undefined;
}
