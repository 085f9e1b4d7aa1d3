import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** The event loop's lag is measured by a timer, which wakes an idle process so often: 10 ms, the default, cost 0.3 % of a core. */
const LAG_PRECISION_MS = 50;

/**
 * The process's metrics. Rooms get it passed in and make their metrics once, in their constructor or factory.
 * Labels never hold names of pods, paths or anything else a stranger can invent: they are never forgotten.
 */
export class Metrics {
  readonly registry = new Registry();

  /** `processMetrics` adds memory, CPU, event loop lag and garbage collection; off in tests, where it would hold timers. */
  constructor(options: { processMetrics?: boolean } = {}) {
    if (options.processMetrics === true)
      collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LAG_PRECISION_MS });
  }

  /** With `collect`, what was counted since is asked for at every scrape rather than pushed. */
  counter<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: (counter: Counter<L>) => void,
  ): Counter<L> {
    const base = { name, help, labelNames: [...labelNames], registers: [this.registry] };
    if (collect === undefined) return new Counter<L>(base);
    return new Counter<L>({
      ...base,
      collect() {
        collect(this);
      },
    });
  }

  /** With `collect`, the value is asked for at every scrape rather than pushed. */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    collect?: (gauge: Gauge<L>) => void,
  ): Gauge<L> {
    const base = { name, help, labelNames: [...labelNames], registers: [this.registry] };
    if (collect === undefined) return new Gauge<L>(base);
    return new Gauge<L>({
      ...base,
      collect() {
        collect(this);
      },
    });
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    options: { labelNames?: readonly L[]; buckets: readonly number[] },
  ): Histogram<L> {
    const { labelNames = [], buckets } = options;
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.registry],
    });
  }

  /** Prometheus text format. */
  async text(): Promise<string> {
    return this.registry.metrics();
  }
}

export type { Counter, Gauge, Histogram };
