import type { Counter, Gauge, Metrics } from '../base/index.js';

export interface ProxyMetrics {
  readonly streams: Gauge;
  /** By `RefusalReason`, and `untrusted-certificate`. */
  readonly refusals: Counter<'reason'>;
}

/** Makes the room's metrics; once for each `Metrics`, because a registry takes a name only once. */
export function proxyMetrics(metrics: Metrics): ProxyMetrics {
  return {
    streams: metrics.gauge('weft_xds_streams', 'Proxies connected.'),
    refusals: metrics.counter('weft_xds_refusals_total', 'Config streams that were refused, by reason.', [
      'reason',
    ]),
  };
}
