import { COUNTS, Counted, LATENCIES, LATENCY_BOUNDS_MS } from './measures.js';
import type { SeenEdge } from './replicas.js';

/** Counts of several edges and replicas together. */
export interface Numbers {
  /** By place, as `Counted` says: in the window. */
  readonly counts: number[];
  /** The same per second. */
  readonly rates: number[];
  readonly latencies: number[];
  /** Requests per second over mutual TLS. */
  mutual: number;
  open: number;
}

/** What people read of them. Undefined where there is nothing to say. */
export interface Signals {
  readonly perSecond: number;
  readonly connectionsPerSecond: number;
  /** 0 to 1, of the requests that were answered. */
  readonly successRate: number | undefined;
  readonly p50Ms: number | undefined;
  readonly p95Ms: number | undefined;
  readonly p99Ms: number | undefined;
  /** 0 to 1, of the requests. */
  readonly mutualTls: number | undefined;
  readonly retries: number;
  readonly denied: number;
  readonly wouldBeDenied: number;
  readonly limited: number;
  readonly wouldBeLimited: number;
  readonly openConnections: number;
}

export function noNumbers(): Numbers {
  return {
    counts: new Array<number>(COUNTS).fill(0),
    rates: new Array<number>(COUNTS).fill(0),
    latencies: new Array<number>(LATENCIES).fill(0),
    mutual: 0,
    open: 0,
  };
}

/** Adds an edge, of its counts those at `places` only where they are given. */
export function add(numbers: Numbers, edge: SeenEdge, places?: readonly number[]): void {
  const { counts = [], latencies = [], seconds } = edge;
  const counted =
    places === undefined ? counts : counts.map((count, at) => (places.includes(at) ? count : 0));
  addTo(numbers.counts, counted);
  const rates = counted.map((count) => rate(count, seconds));
  addTo(numbers.rates, rates);
  if (places !== undefined) return;
  addTo(
    numbers.latencies,
    latencies.map((count) => rate(count, seconds)),
  );
  if (edge.tls === 'mutual') numbers.mutual += requests(rates);
  numbers.open += edge.open;
}

function addTo(sums: number[], row: readonly number[]): void {
  for (const [place, count] of row.entries()) sums[place] = (sums[place] ?? 0) + count;
}

export function signals({ counts, rates, latencies, mutual, open }: Numbers): Signals {
  const perSecond = requests(rates);
  const at = (row: readonly number[], place: number): number => row[place] ?? 0;
  const answered = perSecond - at(rates, Counted.left);
  const failed = at(rates, Counted.serverError) + at(rates, Counted.grpcError);
  const quantile = (share: number): number | undefined => quantileMs(latencies, share);
  return {
    perSecond,
    connectionsPerSecond: at(rates, Counted.connection),
    successRate: answered > 0 ? Math.max(0, 1 - failed / answered) : undefined,
    p50Ms: quantile(0.5),
    p95Ms: quantile(0.95),
    p99Ms: quantile(0.99),
    mutualTls: perSecond > 0 ? mutual / perSecond : undefined,
    retries: at(counts, Counted.retry),
    denied: at(counts, Counted.denied),
    wouldBeDenied: at(counts, Counted.wouldDeny),
    limited: at(counts, Counted.limited),
    wouldBeLimited: at(counts, Counted.wouldLimit),
    openConnections: open,
  };
}

/** Every request is in one of these. */
const REQUESTS = [Counted.ok, Counted.clientError, Counted.serverError, Counted.left, Counted.grpcError];

/** Requests and connections that were counted. */
export function countedIn({ counts = [] }: Pick<SeenEdge, 'counts'>): {
  readonly requests: number;
  readonly connections: number;
} {
  return { requests: requests(counts), connections: counts[Counted.connection] ?? 0 };
}

function requests(row: readonly number[]): number {
  return REQUESTS.reduce((sum, place) => sum + (row[place] ?? 0), 0);
}

function rate(count: number, seconds: number): number {
  return seconds > 0 ? count / seconds : 0;
}

/**
 * The quantile in milliseconds, by linear interpolation inside its bucket. Beyond the last bound nothing is known, so that bound is the
 * answer.
 */
function quantileMs(latencies: readonly number[], share: number): number | undefined {
  const all = latencies.reduce((sum, count) => sum + count, 0);
  if (!(all > 0)) return undefined;
  const rank = share * all;
  let [below, lower] = [0, 0];
  for (const [cell, bound] of LATENCY_BOUNDS_MS.entries()) {
    const count = latencies[cell] ?? 0;
    if (count > 0 && below + count >= rank) return lower + ((bound - lower) * (rank - below)) / count;
    below += count;
    lower = bound;
  }
  return lower;
}
