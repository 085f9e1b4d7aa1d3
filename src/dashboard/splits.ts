import { increases, type Counted, type Interval } from './increase.js';
import { addBucket, quantileMs } from './latency.js';
import { addRequests, noRequests, successRate, type Requests } from './requests.js';

/** One backend of a destination: its share of what callers sent there, and how it did. */
export interface Split {
  /** `<namespace>/<name>:<port>` as dialled. */
  readonly destination: string;
  /** The backend as the proxies name it. */
  readonly backend: string;
  /** Names of the routes that led there, sorted. */
  readonly routes: readonly string[];
  /** Share of the destination's requests, 0 to 1; undefined while there are none. */
  readonly share?: number | undefined;
  readonly perSecond: number;
  readonly successRate?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
}

interface Draft {
  readonly destination: string;
  readonly backend: string;
  readonly routes: Set<string>;
  readonly requests: Requests;
  readonly buckets: Map<number, number>;
}

/** How callers' proxies divided requests. Only destinations with more than one backend or a named route have something to tell. */
export function splitsOf(intervals: readonly Interval[]): Split[] {
  const drafts = new Map<string, Draft>();
  for (const series of intervals.flatMap(increases)) {
    if (series.labels.direction === 'outbound') readSeries(drafts, series);
  }
  const byDestination = Map.groupBy(drafts.values(), (draft) => draft.destination);
  return [...byDestination.values()]
    .filter((backends) => backends.length > 1 || backends.some((backend) => backend.routes.size > 0))
    .flatMap((backends) => {
      const all = backends.reduce((sum, { requests }) => sum + requests.perSecond, 0);
      return backends.map((draft) => finish(draft, all));
    })
    .sort((a, b) => (a.destination + a.backend < b.destination + b.backend ? -1 : 1));
}

function readSeries(drafts: Map<string, Draft>, series: Counted): void {
  const { name, labels } = series;
  if (name === 'weft_requests_total') {
    const draft = find(drafts, labels);
    if (draft === undefined) return;
    addRequests(draft.requests, series);
    if (labels.route !== undefined && labels.route !== '') draft.routes.add(labels.route);
  } else if (name === 'weft_request_duration_seconds_bucket') {
    const draft = find(drafts, labels);
    if (draft !== undefined) addBucket(draft.buckets, labels.le ?? '', series.perSecond);
  }
}

/** Undefined for requests that no backend was found for. */
function find(drafts: Map<string, Draft>, labels: Counted['labels']): Draft | undefined {
  const { destination = '', backend = '' } = labels;
  if (backend === '') return undefined;
  const key = JSON.stringify([destination, backend]);
  const draft = drafts.get(key) ?? newDraft(destination, backend);
  drafts.set(key, draft);
  return draft;
}

function newDraft(destination: string, backend: string): Draft {
  return { destination, backend, routes: new Set(), requests: noRequests(), buckets: new Map() };
}

function finish({ destination, backend, routes, requests, buckets }: Draft, all: number): Split {
  return {
    destination,
    backend,
    routes: [...routes].sort(),
    share: all > 0 ? requests.perSecond / all : undefined,
    perSecond: requests.perSecond,
    successRate: successRate(requests),
    p50Ms: quantileMs(buckets, 0.5),
    p99Ms: quantileMs(buckets, 0.99),
  };
}
