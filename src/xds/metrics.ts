import type { Counter, Gauge, Histogram, Metrics } from '../base/index.js';

export interface ConfigMetrics {
  readonly streams: Gauge;
  readonly responses: Counter;
  readonly resources: Counter;
  readonly nacks: Counter;
  readonly unmade: Counter;
  readonly refusedNames: Counter;
  /** By `RefusalReason`. */
  readonly refusals: Counter<'reason'>;
  readonly pushSeconds: Histogram;
}

const PUSH_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

/** Makes the room's metrics; once for each `Metrics`, because a registry takes a name only once. */
export function configMetrics(
  metrics: Metrics,
  sizes: { readonly views: () => number; readonly resources: () => number },
): ConfigMetrics {
  metrics.gauge('weft_xds_subscriptions', 'Distinct names that proxies subscribe to.', [], (gauge) =>
    gauge.set(sizes.views()),
  );
  metrics.gauge('weft_xds_resources', 'Compiled resources held.', [], (gauge) =>
    gauge.set(sizes.resources()),
  );
  return {
    streams: metrics.gauge('weft_xds_streams', 'Proxies connected.'),
    responses: metrics.counter('weft_xds_responses_total', 'Responses sent to proxies.'),
    resources: metrics.counter('weft_xds_resources_sent_total', 'Resources sent to proxies.'),
    nacks: metrics.counter('weft_xds_nacks_total', 'Responses that a proxy rejected, wholly or in part.'),
    unmade: metrics.counter(
      'weft_xds_unmade_total',
      'Resources that could not be made from the mesh: a fault of Weft.',
    ),
    refusedNames: metrics.counter(
      'weft_xds_refused_subscriptions_total',
      'Subscriptions refused because a stream had too many.',
    ),
    refusals: metrics.counter('weft_xds_refusals_total', 'Config streams that were refused, by reason.', [
      'reason',
    ]),
    pushSeconds: metrics.histogram(
      'weft_xds_push_seconds',
      'From a change of the mesh to the last byte handed to a stream for it.',
      { buckets: PUSH_BUCKETS },
    ),
  };
}
