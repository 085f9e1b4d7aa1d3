import { increases, type Counted, type Interval } from './increase.js';
import { addBucket, quantileMs } from './latency.js';
import { addRequests, noRequests, successRate, type Requests } from './requests.js';

/** How the bytes of an edge travel; `unknown` where no request got as far as a connection. */
export type EdgeTls = 'mutual' | 'backend' | 'none' | 'mixed' | 'unknown';

/** Who called which Service, and how that went. */
export interface Edge {
  /** SPIFFE identity of the caller; empty for one that proved none. */
  readonly caller: string;
  /** `<namespace>/<name>`; empty where no Service stands in front of the port. */
  readonly service: string;
  /** Identities that answered, sorted. */
  readonly servers: readonly string[];
  readonly ports: readonly string[];
  readonly protocol: 'http' | 'tcp';
  readonly tls: EdgeTls;
  /** Which proxy's numbers these are. The caller's count requests that never arrived, too. */
  readonly seenBy: 'caller' | 'receiver';
  /** Requests, or connections where `protocol` is `tcp`. */
  readonly perSecond: number;
  /** 0 to 1; undefined while there are no requests. */
  readonly successRate?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Failures by HTTP status or `grpc <number>`, most frequent first. */
  readonly failures: readonly { readonly code: string; readonly perSecond: number }[];
  /** Opaque connections only. */
  readonly openConnections?: number | undefined;
  /** The proxy counts them when a connection ends. */
  readonly bytesPerSecond?: number | undefined;
}

/** One side's account of an edge, summed over its pods. */
interface View {
  readonly requests: Requests;
  readonly buckets: Map<number, number>;
  readonly ports: Set<string>;
  connectionsPerSecond: number;
  open: number;
  bytesPerSecond: number;
}

interface Draft {
  readonly caller: string;
  readonly service: string;
  readonly protocol: Edge['protocol'];
  readonly servers: Set<string>;
  /** TLS of series that grew, and of all. */
  readonly tlsNow: Set<string>;
  readonly tlsEver: Set<string>;
  readonly views: Partial<Record<Edge['seenBy'], View>>;
}

/** What a series says of the edge it belongs to. */
interface Place {
  readonly caller: string;
  readonly service: string;
  readonly port: string;
  readonly server: string;
  readonly seenBy: Edge['seenBy'];
  readonly protocol: Edge['protocol'];
}

type Histograms = Map<string, Map<number, number>>;

/**
 * Brings the accounts of callers and receivers together: who called is what the receiver verified, how it went is what
 * the caller saw, where the caller has a proxy. Sorted by service, then caller.
 */
export function edgesOf(intervals: readonly Interval[]): Edge[] {
  const drafts = new Map<string, Draft>();
  const receiverLatency: Histograms = new Map();
  for (const interval of intervals) {
    for (const series of increases(interval))
      readSeries(drafts, receiverLatency, { series, pod: interval.identity });
  }
  return [...drafts.values()]
    .map((draft) => finish(draft, receiverLatency))
    .sort((a, b) => compare([a.service, a.caller, a.protocol], [b.service, b.caller, b.protocol]));
}

/** Whether anything went over the edge lately, or is open now. */
export function isLive({ perSecond, openConnections = 0 }: Edge): boolean {
  return perSecond > 0 || openConnections > 0;
}

/** The Service and port in `<namespace>/<name>:<port>`, with whatever a backend adds after that. */
export function splitDestination(destination: string): { service: string; port: string } {
  const [, service = '', port = ''] = /^([^/:{]+\/[^/:{]+)(?::(\w+))?/.exec(destination) ?? [];
  return { service, port };
}

interface Read {
  readonly series: Counted;
  readonly pod: string;
}

function readSeries(drafts: Map<string, Draft>, receiverLatency: Histograms, read: Read): void {
  switch (read.series.name) {
    case 'weft_requests_total':
      readRequests(drafts, read);
      break;
    case 'weft_request_duration_seconds_bucket':
      readLatency(drafts, receiverLatency, read);
      break;
    case 'weft_tcp_connections_total':
    case 'weft_tcp_connections_open':
    case 'weft_tcp_sent_bytes_total':
    case 'weft_tcp_received_bytes_total':
      readConnections(drafts, read);
      break;
    default:
  }
}

function readRequests(drafts: Map<string, Draft>, read: Read): void {
  const place = placeOf(read, 'http');
  const [draft, view] = find(drafts, place);
  const { labels, perSecond } = read.series;
  addRequests(view.requests, read.series);
  // Without a peer, 503 may be the proxy's own answer to a request that reached nobody: it says nothing about TLS.
  if (labels.code !== '503' || labels.peer !== '' || place.seenBy === 'receiver')
    noteTls(draft, labels.tls, perSecond);
}

/** A caller's histogram is its own edge's. A receiver's is of all its callers, and stands in where there is no other. */
function readLatency(drafts: Map<string, Draft>, receiverLatency: Histograms, read: Read): void {
  const { labels, perSecond } = read.series;
  const place = placeOf(read, 'http');
  if (place.seenBy === 'caller') {
    const [, view] = find(drafts, place);
    addBucket(view.buckets, labels.le ?? '', perSecond);
    return;
  }
  const buckets = receiverLatency.get(place.service) ?? new Map<number, number>();
  receiverLatency.set(place.service, buckets);
  addBucket(buckets, labels.le ?? '', perSecond);
}

function readConnections(drafts: Map<string, Draft>, read: Read): void {
  const [draft, view] = find(drafts, placeOf(read, 'tcp'));
  const { name, labels, perSecond, total } = read.series;
  if (name === 'weft_tcp_connections_open') view.open += total;
  else if (name === 'weft_tcp_connections_total') view.connectionsPerSecond += perSecond;
  else view.bytesPerSecond += perSecond;
  noteTls(draft, labels.tls, name === 'weft_tcp_connections_open' ? total : perSecond);
}

function placeOf({ series, pod }: Read, protocol: Edge['protocol']): Place {
  const { direction, destination = '', backend = '', peer = '' } = series.labels;
  if (direction === 'outbound') {
    // A route may lead to another Service than the one that was dialled; the one that answers is the edge's end.
    const answers = splitDestination(backend).service === '' ? destination : backend;
    return { caller: pod, ...splitDestination(answers), server: peer, seenBy: 'caller', protocol };
  }
  return { caller: peer, ...splitDestination(destination), server: pod, seenBy: 'receiver', protocol };
}

function find(drafts: Map<string, Draft>, place: Place): [Draft, View] {
  // Ports are left out: the caller names the Service's, the receiver the pod's.
  const key = JSON.stringify([
    place.caller,
    place.service === '' ? place.server : place.service,
    place.protocol,
  ]);
  const draft = drafts.get(key) ?? newDraft(place);
  drafts.set(key, draft);
  if (place.server !== '') draft.servers.add(place.server);
  const view = (draft.views[place.seenBy] ??= newView());
  if (place.port !== '') view.ports.add(place.port);
  return [draft, view];
}

function newDraft({ caller, service, protocol }: Place): Draft {
  return { caller, service, protocol, servers: new Set(), tlsNow: new Set(), tlsEver: new Set(), views: {} };
}

function newView(): View {
  const counts = { connectionsPerSecond: 0, open: 0, bytesPerSecond: 0 };
  return { requests: noRequests(), buckets: new Map(), ports: new Set(), ...counts };
}

function noteTls(draft: Draft, tls: string | undefined, perSecond: number): void {
  if (tls === undefined) return;
  draft.tlsEver.add(tls);
  if (perSecond > 0) draft.tlsNow.add(tls);
}

function tlsOf(draft: Draft): EdgeTls {
  const seen = draft.tlsNow.size > 0 ? draft.tlsNow : draft.tlsEver;
  if (seen.size === 0) return 'unknown';
  if (seen.size > 1) return 'mixed';
  const [only] = seen;
  return only === 'mutual' || only === 'backend' ? only : 'none';
}

function finish(draft: Draft, receiverLatency: Histograms): Edge {
  const { caller, service, protocol, views } = draft;
  const seenBy: Edge['seenBy'] = views.caller === undefined ? 'receiver' : 'caller';
  const view = views[seenBy] ?? newView();
  const common = {
    caller,
    service,
    servers: [...draft.servers].sort(),
    ports: [...view.ports].sort(),
    tls: tlsOf(draft),
    seenBy,
  };
  if (protocol === 'tcp') {
    const { connectionsPerSecond: perSecond, open: openConnections, bytesPerSecond } = view;
    return { ...common, protocol, perSecond, failures: [], openConnections, bytesPerSecond };
  }
  const buckets = view.buckets.size > 0 ? view.buckets : (receiverLatency.get(service) ?? view.buckets);
  const idle = view.requests.perSecond === 0;
  return {
    ...common,
    protocol,
    perSecond: view.requests.perSecond,
    successRate: successRate(view.requests),
    p50Ms: idle ? undefined : quantileMs(buckets, 0.5),
    p99Ms: idle ? undefined : quantileMs(buckets, 0.99),
    failures: [...view.requests.failures]
      .map(([code, perSecond]) => ({ code, perSecond }))
      .sort((a, b) => b.perSecond - a.perSecond),
  };
}

function compare(a: readonly string[], b: readonly string[]): number {
  const [left, right] = [a.join('\n'), b.join('\n')];
  return left < right ? -1 : Number(left > right);
}
