import { increases, type Interval } from './increase.js';
import { addBucket, quantileMs } from './latency.js';
import { addRequests, noRequests, successRate } from './requests.js';

/** What one pod let in lately, by its own proxy. */
export interface PodSignals {
  readonly name: string;
  /** Means over about this long; 0 while there is only one scrape to go by. */
  readonly seconds: number;
  readonly perSecond: number;
  readonly successRate?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Failures by HTTP status or `grpc <number>`, most frequent first. */
  readonly failures: readonly { readonly code: string; readonly perSecond: number }[];
  /** When the certificate of its proxy ends, in milliseconds since 1970; it is renewed long before. */
  readonly certificateEnds?: number | undefined;
  /** Why its proxy could not be asked; empty where it could. */
  readonly error: string;
}

/** What a pod's proxy counted of requests that came in. */
export function podSignals(name: string, interval: Interval): Omit<PodSignals, 'error'> {
  const certificate = interval.after.find(
    ({ name: family }) => family === 'weft_certificate_expiry_timestamp_seconds',
  );
  const requests = noRequests();
  const buckets = new Map<number, number>();
  for (const series of increases(interval)) {
    if (series.labels.direction !== 'inbound') continue;
    if (series.name === 'weft_requests_total') addRequests(requests, series);
    else if (series.name === 'weft_request_duration_seconds_bucket')
      addBucket(buckets, series.labels.le ?? '', series.perSecond);
  }
  return {
    name,
    seconds: interval.seconds,
    perSecond: requests.perSecond,
    successRate: successRate(requests),
    p50Ms: quantileMs(buckets, 0.5),
    p99Ms: quantileMs(buckets, 0.99),
    certificateEnds: certificate === undefined ? undefined : certificate.value * 1000,
    failures: [...requests.failures]
      .map(([code, perSecond]) => ({ code, perSecond }))
      .sort((a, b) => b.perSecond - a.perSecond),
  };
}
