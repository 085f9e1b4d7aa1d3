import type { Clock, Metrics } from '../base/index.js';
import type { KnownPod } from '../identity/index.js';
import type { AdmittedStream, ProxyService, StreamHandler } from '../proxies/index.js';
import { Telemetry } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';
import type { Reporter } from './edge.js';
import { telemetryMetrics, type TelemetryMetrics } from './metrics.js';
import { Pace, type PaceOptions } from './pace.js';
import { readReport, type Report } from './read-report.js';
import { ReportStream } from './report-stream.js';
import { TrafficStore, type History, type Window } from './traffic-store.js';

export interface ReportServiceOptions {
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The workload that a pod belongs to, and who it is. */
  readonly reporterOf: (pod: KnownPod) => Reporter;
  /** Whether the pod is one of those behind the Service, `<namespace>/<name>`. */
  readonly serves: (uid: string, service: string) => boolean;
  /** Default 64 MiB. */
  readonly maxBytes?: number;
  readonly pace?: Omit<PaceOptions, 'clock'>;
}

/** The largest report of a proxy has 48 KiB. */
const MAX_REPORT_BYTES = 64 * 1024;
const MAX_BYTES = 64 * 1024 * 1024;

/** `weft.telemetry.v1.Telemetry/Report`: what proxies tell of their traffic, and what is kept of it. A `ProxyPort` serves it. */
export class ReportService implements ProxyService<Report> {
  readonly method = Telemetry.method.report;
  readonly read = readReport;
  readonly maxRequestBytes = MAX_REPORT_BYTES;
  readonly #options: ReportServiceOptions;
  readonly #store: TrafficStore;
  readonly #pace: Pace;
  readonly #metrics: TelemetryMetrics;

  constructor(options: ReportServiceOptions) {
    const { clock, maxBytes = MAX_BYTES } = options;
    this.#options = options;
    this.#store = new TrafficStore({ clock, maxBytes, evicted: () => this.#metrics.evicted.inc() });
    this.#pace = new Pace({ clock, ...options.pace });
    this.#metrics = telemetryMetrics(options.metrics, {
      streams: () => this.#pace.streams,
      edges: () => this.#store.size,
      bytes: () => this.#store.bytes,
    });
  }

  /** How many proxies report here. */
  get proxies(): number {
    return this.#pace.streams;
  }

  podUidOf(first: Report): string {
    return first.podUid;
  }

  open({ uid, pod, stream }: AdmittedStream): StreamHandler<Report> {
    const { clock, reporterOf, serves } = this.#options;
    const reports = new ReportStream({
      stream,
      reporter: reporterOf(pod),
      serves: (service) => serves(uid, service),
      store: this.#store,
      pace: this.#pace,
      metrics: this.#metrics,
      clock,
    });
    stream.signal.addEventListener('abort', () => reports.leave(), { once: true });
    return reports;
  }

  /** What happened in the time before now, fresh from the proxies. */
  async window(windowMs: number, namespace?: string): Promise<Window> {
    await this.#pace.look();
    this.#store.sweep();
    return this.#store.window(windowMs, namespace);
  }

  /** What happened in each of the last whole minutes, as far as it was reported. */
  history(minutes: number, namespace?: string): History {
    this.#store.sweep();
    return this.#store.history(minutes, namespace);
  }
}
