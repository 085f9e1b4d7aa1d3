import { increases, type Counted, type Interval } from './increase.js';
import { addBucket, quantileMs } from './latency.js';
import { addRequests, noRequests, successRate, type Requests } from './requests.js';

/** One backend of a route: its share of what the route led on, and how it did. */
export interface Split {
  /** `<namespace>/<name>:<port>` as dialled. */
  readonly destination: string;
  readonly route: string;
  /** The backend as the proxies name it. */
  readonly backend: string;
  /** Share of the route's requests, 0 to 1; undefined while there are none. */
  readonly share?: number | undefined;
  readonly perSecond: number;
  readonly successRate?: number | undefined;
  /** Of all requests from the destination to the backend: histograms of older proxies do not tell routes apart. */
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
}

interface Draft {
  readonly destination: string;
  readonly route: string;
  readonly backend: string;
  readonly requests: Requests;
}

interface Counts {
  /** By destination, route and backend. */
  readonly drafts: Map<string, Draft>;
  /** By destination and backend. */
  readonly latency: Map<string, Map<number, number>>;
}

/** How callers' proxies divided requests. A destination whose requests all go to itself has nothing to tell. */
export function splitsOf(intervals: readonly Interval[]): Split[] {
  const counts: Counts = { drafts: new Map(), latency: new Map() };
  for (const series of intervals.flatMap(increases)) {
    if (series.labels.direction === 'outbound') readSeries(counts, series);
  }
  const drafts = [...counts.drafts.values()];
  const divided = new Set(
    drafts.filter(({ destination, backend }) => backend !== destination).map(keyOfRoute),
  );
  return drafts
    .filter((draft) => divided.has(keyOfRoute(draft)))
    .map((draft) => finish(draft, drafts, counts.latency))
    .sort((a, b) => (keyOfRoute(a) + a.backend < keyOfRoute(b) + b.backend ? -1 : 1));
}

function readSeries({ drafts, latency }: Counts, series: Counted): void {
  const { destination = '', backend = '', route = '', le = '' } = series.labels;
  // Without a backend, none was found for the request.
  if (backend === '') return;
  if (series.name === 'weft_requests_total') {
    const key = JSON.stringify([destination, route, backend]);
    const draft = drafts.get(key) ?? { destination, route, backend, requests: noRequests() };
    drafts.set(key, draft);
    addRequests(draft.requests, series);
  } else if (series.name === 'weft_request_duration_seconds_bucket') {
    const key = JSON.stringify([destination, backend]);
    const buckets = latency.get(key) ?? new Map<number, number>();
    latency.set(key, buckets);
    addBucket(buckets, le, series.perSecond);
  }
}

function finish(draft: Draft, all: readonly Draft[], latency: Counts['latency']): Split {
  const { destination, route, backend, requests } = draft;
  const siblings = all.filter((other) => keyOfRoute(other) === keyOfRoute(draft));
  const total = siblings.reduce((sum, other) => sum + other.requests.perSecond, 0);
  const buckets = latency.get(JSON.stringify([destination, backend])) ?? new Map<number, number>();
  const idle = requests.perSecond === 0;
  return {
    destination,
    route,
    backend,
    share: total > 0 ? requests.perSecond / total : undefined,
    perSecond: requests.perSecond,
    successRate: successRate(requests),
    p50Ms: idle ? undefined : quantileMs(buckets, 0.5),
    p99Ms: idle ? undefined : quantileMs(buckets, 0.99),
  };
}

function keyOfRoute({ destination, route }: Pick<Draft, 'destination' | 'route'>): string {
  return JSON.stringify([destination, route]);
}
