import type { Counter, Histogram, Metrics } from '../base/index.js';

/** What client-go measures of its requests. */
export interface KubeClientMetrics {
  readonly requests: Counter<'method' | 'code'>;
  readonly duration: Histogram<'method'>;
  readonly rateLimited: Histogram;
}

export function createKubeClientMetrics(metrics: Metrics): KubeClientMetrics {
  const buckets = [0.005, 0.02, 0.1, 0.5, 2, 10, 30];
  return {
    requests: metrics.counter(
      'weft_kube_requests_total',
      'Requests to the API server, by method and by the HTTP status of the answer, or why there was none.',
      ['method', 'code'],
    ),
    duration: metrics.histogram(
      'weft_kube_request_seconds',
      'Time from a request to the API server to its answer, the wait for a connection included; watches until they open.',
      { labelNames: ['method'], buckets },
    ),
    rateLimited: metrics.histogram(
      'weft_kube_write_wait_seconds',
      'Time that writes to the API server waited for our own limit.',
      { buckets },
    ),
  };
}
