import type { Clock } from '../base/index.js';
import { GrpcCode, GrpcError } from '../grpc/index.js';
import type { ProxyStream, StreamHandler } from '../proxies/index.js';
import { OTHERS, believedEdge } from './believed.js';
import { KEPT_MS, type Edge, type EdgeName, type Reporter } from './edge.js';
import type { TelemetryMetrics } from './metrics.js';
import type { Pace, Paced } from './pace.js';
import type { RawCount, RawEdge, Report } from './read-report.js';
import type { TrafficStore } from './traffic-store.js';

export interface ReportStreamOptions {
  readonly stream: ProxyStream;
  readonly reporter: Reporter;
  /** Whether the pod is one of those behind a Service. */
  readonly serves: (service: string) => boolean;
  readonly store: TrafficStore;
  readonly pace: Pace;
  readonly metrics: TelemetryMetrics;
  readonly clock: Clock;
}

/** A proxy names no more on a stream. */
const MOST_EDGES = 512;
/** More than any proxy carries; what says more is taken for this. */
const MOST_PER_MS = 1_000;
const MOST_OPEN = 1_000_000;
/** Reports that may come faster than twice a second. */
const BURST = 8;
const APART_MS = 500;

/** What a stream calls an edge: one of ours, a name that waits for the cluster to say that it is true, or nothing we believe. */
type Named = Edge | EdgeName | undefined;

/** One admitted proxy: takes its numbers, as far as they can be, and counts them to edges that begin or end at its workload. */
export class ReportStream implements StreamHandler<Report>, Paced {
  readonly #options: ReportStreamOptions;
  readonly #named: Named[] = [];
  /** Open connections by the stream's number of the edge, where there are any. */
  readonly #open = new Map<number, number>();
  #told = 0;
  #entered = false;
  #reportedAt: number | undefined;
  #burstUntil = 0;

  constructor(options: ReportStreamOptions) {
    this.#options = options;
  }

  request(report: Report): void {
    const { store, pace, metrics } = this.#options;
    if (!this.#entered) {
      this.#entered = true;
      pace.enter(this);
      return;
    }
    const covers = this.#covers(report.coversMs);
    metrics.reports.inc();
    for (const edge of report.edges) this.#name(edge);
    for (const count of report.counts) this.#count(count, covers);
    // Nobody may ever look.
    store.sweep();
    pace.reported(this, this.#told);
  }

  /** It hears of the pace after a later report. */
  writable(): void {}

  tell(message: Uint8Array, pace: number): void {
    if (!this.#options.stream.hasRoom()) return;
    this.#told = pace;
    this.#options.stream.send([message]);
  }

  /** The stream has ended, and its connections are no longer known to be open. */
  leave(): void {
    if (this.#entered) this.#options.pace.leave(this);
    for (const number of this.#open.keys()) this.#setOpen(number, 0);
  }

  /** Over how long the numbers may be spread, which bounds them too. Throws where reports come too fast. */
  #covers(claimed: number): number {
    const now = this.#options.clock.monotonic();
    this.#burstUntil = Math.max(this.#burstUntil, now) + APART_MS;
    if (this.#burstUntil > now + BURST * APART_MS)
      throw new GrpcError(GrpcCode.resourceExhausted, 'reports come faster than was asked for');
    const most = this.#reportedAt === undefined ? KEPT_MS : now - this.#reportedAt + 1_000;
    this.#reportedAt = now;
    return Math.min(claimed, most, KEPT_MS);
  }

  #name(raw: RawEdge): void {
    const { reporter, metrics } = this.#options;
    if (this.#named.length >= MOST_EDGES)
      throw new GrpcError(GrpcCode.invalidArgument, `a stream names at most ${MOST_EDGES} edges`);
    const name = believedEdge(reporter, raw);
    if (name === undefined) metrics.refused.inc({ reason: 'edge' });
    if (raw.destination === OTHERS) metrics.folded.inc();
    this.#named.push(name);
  }

  #count({ edge: number, grown, open }: RawCount, covers: number): void {
    const { store, metrics } = this.#options;
    const edge = this.#edge(number);
    if (edge === undefined) {
      metrics.refused.inc({ reason: 'count' });
      return;
    }
    const most = Math.max(covers, 1_000) * MOST_PER_MS;
    for (let i = 0; i + 1 < grown.length; i += 2) {
      const [measure = 0, more = 0] = [grown[i], grown[i + 1]];
      if (!store.add(edge, covers, [measure, Math.min(more, most)])) metrics.refused.inc({ reason: 'count' });
    }
    if (open !== (this.#open.get(number) ?? 0)) this.#setOpen(number, Math.min(open, MOST_OPEN));
  }

  /** The edge of a number, once it can be one; what was forgotten to make room comes back. */
  #edge(number: number): Edge | undefined {
    const named = this.#named[number];
    if (named === undefined) return undefined;
    if ('name' in named) {
      if (!named.evicted) return named;
      this.#open.delete(number);
    }
    const name = 'name' in named ? named.name : named;
    const { store, serves } = this.#options;
    if (name.direction === 'inbound' && name.service !== '' && !serves(name.service)) {
      // Counted for the workload alone, and asked again: the cluster may not have said yet that the pod is behind it.
      return store.edge({ ...name, service: '', port: '' });
    }
    const edge = store.edge(name);
    this.#named[number] = edge;
    return edge;
  }

  #setOpen(number: number, open: number): void {
    const named = this.#named[number];
    if (named === undefined || !('name' in named)) return;
    named.open += open - (this.#open.get(number) ?? 0);
    if (open > 0) this.#open.set(number, open);
    else this.#open.delete(number);
  }
}
