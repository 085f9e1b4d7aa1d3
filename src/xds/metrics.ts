import type { Counter, Histogram, Metrics } from '../base/index.js';

export interface ConfigMetrics {
  readonly responses: Counter;
  readonly resources: Counter;
  /** By what was rejected: `workload` or `destination`. */
  readonly nacks: Counter<'type'>;
  readonly unmade: Counter;
  readonly refusedNames: Counter;
  readonly pushSeconds: Histogram;
  readonly flushSeconds: Histogram;
  readonly touchedViews: Counter;
}

const PUSH_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const FLUSH_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

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
    responses: metrics.counter('weft_xds_responses_total', 'Responses sent to proxies.'),
    resources: metrics.counter('weft_xds_resources_sent_total', 'Resources sent to proxies.'),
    nacks: metrics.counter('weft_xds_nacks_total', 'Responses that a proxy rejected, wholly or in part.', [
      'type',
    ]),
    unmade: metrics.counter('weft_xds_unmade_total', 'Resources that could not be compiled: a bug in Weft.'),
    refusedNames: metrics.counter(
      'weft_xds_refused_subscriptions_total',
      'Subscriptions refused because a stream had too many, or a name was too long.',
    ),
    pushSeconds: metrics.histogram(
      'weft_xds_push_seconds',
      'From a change of the mesh to the last byte handed to a stream for it.',
      { buckets: PUSH_BUCKETS },
    ),
    flushSeconds: metrics.histogram(
      'weft_xds_flush_seconds',
      'Time in which changes of the mesh were compiled and handed to streams, and nothing else ran.',
      { buckets: FLUSH_BUCKETS },
    ),
    touchedViews: metrics.counter(
      'weft_xds_views_touched_total',
      'Subscribed names that were looked at again after a change of the mesh.',
    ),
  };
}
