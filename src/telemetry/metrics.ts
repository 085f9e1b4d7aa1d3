import type { Counter, Metrics } from '../base/index.js';

export interface TelemetryMetrics {
  readonly reports: Counter;
  /** By why: `edge`, `count`. */
  readonly refused: Counter<'reason'>;
  readonly folded: Counter;
  readonly evicted: Counter;
}

/** Makes the room's metrics; once for each `Metrics`, because a registry takes a name only once. */
export function telemetryMetrics(
  metrics: Metrics,
  sizes: {
    readonly streams: () => number;
    readonly edges: () => number;
    readonly bytes: () => number;
  },
): TelemetryMetrics {
  metrics.gauge('weft_telemetry_streams', 'Proxies that report their traffic to this replica.', [], (gauge) =>
    gauge.set(sizes.streams()),
  );
  metrics.gauge('weft_telemetry_edges', 'Edges of which the last half hour is kept.', [], (gauge) =>
    gauge.set(sizes.edges()),
  );
  metrics.gauge('weft_telemetry_bytes', 'Approximate memory that these edges take, in bytes.', [], (gauge) =>
    gauge.set(sizes.bytes()),
  );
  return {
    reports: metrics.counter('weft_telemetry_reports_total', 'Reports of proxies.'),
    refused: metrics.counter('weft_telemetry_refused_total', 'Parts of reports that were rejected.', [
      'reason',
    ]),
    folded: metrics.counter(
      'weft_telemetry_folded_total',
      'Streams whose proxy has more edges than a stream names, and counts the others together.',
    ),
    evicted: metrics.counter(
      'weft_telemetry_evicted_total',
      'Edges that were dropped early to make room for others.',
    ),
  };
}
