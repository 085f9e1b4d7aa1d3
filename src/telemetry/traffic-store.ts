import type { Clock } from '../base/index.js';
import { Edge, FINE_MS, KEPT_MS, sinceMinute, windowStart, type EdgeName, type Reporter } from './edge.js';

export interface TrafficStoreOptions {
  readonly clock: Clock;
  /** Bytes of all edges, about. */
  readonly maxBytes: number;
  /** Told of each edge that had to go to make room. */
  readonly evicted?: () => void;
}

/** What happened on an edge in a window. */
export interface EdgeWindow extends EdgeName {
  /** By place, as `Counted` says; absent where nothing was counted. */
  readonly counts?: readonly number[] | undefined;
  /** By bucket. */
  readonly latencies?: readonly number[] | undefined;
  readonly open: number;
}

export interface Window {
  /** How far back the counts reach: the window that was asked for, rounded to whole slots, or since this replica knows anything. */
  readonly coversMs: number;
  readonly edges: readonly EdgeWindow[];
}

/** What happened on an edge in each of the last minutes. */
export interface EdgeHistory extends EdgeName {
  /** Of places where anything was counted. */
  readonly columns: readonly { readonly place: number; readonly minutes: readonly number[] }[];
}

export interface History {
  /** How long ago the last of the minutes ended. */
  readonly endedMs: number;
  /** How far back anything is known. */
  readonly coversMs: number;
  readonly edges: readonly EdgeHistory[];
}

/**
 * The traffic of the last half hour by edge, in bounded memory. Where it is too much, whoever has the most edges loses the
 * one of them that was quiet for longest: who makes many up takes nobody else's.
 */
export class TrafficStore {
  readonly #options: TrafficStoreOptions;
  readonly #edges = new Map<string, Edge>();
  readonly #byReporter = new Map<string, Set<Edge>>();
  /** By the monotonic clock. */
  readonly #since: number;
  #bytes = 0;
  #sweptAt = 0;

  constructor(options: TrafficStoreOptions) {
    this.#options = options;
    this.#since = options.clock.monotonic();
  }

  get size(): number {
    return this.#edges.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The edge of a name; a new one makes room for itself. */
  edge(name: EdgeName): Edge {
    const key = keyOf(name);
    const known = this.#edges.get(key);
    if (known !== undefined) return known;
    const edge = new Edge(name, this.#options.clock.monotonic());
    this.#edges.set(key, edge);
    const reporter = reporterKey(name.reporter);
    const all = this.#byReporter.get(reporter) ?? new Set();
    this.#byReporter.set(reporter, all.add(edge));
    this.#grow(edge.bytes);
    return edge;
  }

  /** Counts over the time that ended now. False where there is no such measure. */
  add(edge: Edge, covers: number, what: readonly [measure: number, amount: number]): boolean {
    const now = this.#options.clock.monotonic();
    const before = edge.bytes;
    const known = edge.add(now, covers, what);
    this.#grow(edge.bytes - before);
    return known;
  }

  /** What happened lately, on edges that concern the namespace where one is given. */
  window(windowMs: number, namespace?: string): Window {
    const now = this.#options.clock.monotonic();
    const edges: EdgeWindow[] = [];
    for (const edge of this.#edges.values()) {
      if (namespace !== undefined && !concerns(edge.name, namespace)) continue;
      if (now - edge.at > windowMs + FINE_MS && edge.open === 0) continue;
      const [counts, latencies] = [edge.counts(now, windowMs), edge.latencies(now, windowMs)];
      if (edge.open > 0 || happened(counts) || happened(latencies))
        edges.push({ ...edge.name, counts, latencies, open: edge.open });
    }
    return { coversMs: now - Math.max(this.#since, windowStart(now, windowMs)), edges };
  }

  /** Each of the last whole minutes, of edges that concern the namespace where one is given. */
  history(minutes: number, namespace?: string): History {
    const now = this.#options.clock.monotonic();
    const edges: EdgeHistory[] = [];
    for (const edge of this.#edges.values()) {
      if (namespace !== undefined && !concerns(edge.name, namespace)) continue;
      const columns = edge
        .minutes(now, minutes)
        .map((column, place) => ({ place, minutes: column }))
        .filter((column) => happened(column.minutes));
      if (columns.length > 0) edges.push({ ...edge.name, columns });
    }
    return { endedMs: sinceMinute(now), coversMs: now - this.#since, edges };
  }

  /** Forgets what is too old, once a minute at most; call it as often as you like. */
  sweep(): void {
    const now = this.#options.clock.monotonic();
    if (now - this.#sweptAt < FINE_MS) return;
    this.#sweptAt = now;
    for (const edge of this.#edges.values()) {
      if (now - edge.at > KEPT_MS + FINE_MS && edge.open === 0) this.#forget(edge);
      else if (now - edge.at > 2 * FINE_MS) {
        const before = edge.bytes;
        edge.forgetFine();
        this.#bytes += edge.bytes - before;
      }
    }
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    while (this.#bytes > this.#options.maxBytes && this.#edges.size > 1) {
      this.#forget(this.#quietest());
      this.#options.evicted?.();
    }
  }

  #quietest(): Edge {
    let most: ReadonlySet<Edge> = new Set();
    for (const edges of this.#byReporter.values()) if (edges.size > most.size) most = edges;
    let quietest: Edge | undefined;
    for (const edge of most) if (quietest === undefined || edge.at < quietest.at) quietest = edge;
    if (quietest === undefined) throw new TypeError('there is no edge to forget');
    return quietest;
  }

  #forget(edge: Edge): void {
    this.#edges.delete(keyOf(edge.name));
    this.#bytes -= edge.bytes;
    edge.evict();
    const reporter = reporterKey(edge.name.reporter);
    const all = this.#byReporter.get(reporter);
    all?.delete(edge);
    if (all?.size === 0) this.#byReporter.delete(reporter);
  }
}

function reporterKey({ namespace, kind, name, identity }: Reporter): string {
  return `${namespace}/${kind}/${name}\n${identity}`;
}

function keyOf({ reporter, direction, service, port, backend, route, peer, tls, rule }: EdgeName): string {
  return [reporterKey(reporter), direction, service, port, backend, route, peer, tls, rule].join('\n');
}

function concerns({ reporter, service, backend, peer }: EdgeName, namespace: string): boolean {
  return (
    reporter.namespace === namespace ||
    service.startsWith(`${namespace}/`) ||
    backend.startsWith(`${namespace}/`) ||
    peer.includes(`/ns/${namespace}/sa/`)
  );
}

function happened(row: readonly number[] | undefined): boolean {
  return row?.some((count) => count > 0) === true;
}
