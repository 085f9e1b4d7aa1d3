import type { Counter, Metrics } from '../base/index.js';

export interface IdentityMetrics {
  /** By `RefusalReason`. */
  readonly refusals: Counter<'reason'>;
  readonly issued: Counter;
}

const made = new WeakMap<Metrics, IdentityMetrics>();

/** The room's metrics: the same ones for each `Metrics`, because a registry takes a name only once. */
export function identityMetrics(metrics: Metrics): IdentityMetrics {
  const known = made.get(metrics) ?? make(metrics);
  made.set(metrics, known);
  return known;
}

function make(metrics: Metrics): IdentityMetrics {
  return {
    refusals: metrics.counter(
      'weft_identity_refusals_total',
      'Requests for a certificate that were refused, by reason.',
      ['reason'],
    ),
    issued: metrics.counter('weft_identity_certificates_issued_total', 'Certificates issued to workloads.'),
  };
}
