import type { Metrics } from '../base/index.js';
import type { Outcome } from './review.js';

/** Counts what the webhook answers. No label names a pod or a namespace: labels are never forgotten. */
export interface ReviewMetrics {
  answered(outcome: Outcome['kind'], milliseconds: number): void;
  /** A pod that was left without a proxy, by the code of each reason. */
  readonly skipped: (code: string) => void;
}

export function reviewMetrics(metrics: Metrics): ReviewMetrics {
  const reviews = metrics.counter('weft_admission_reviews_total', 'Admission reviews answered, by outcome.', [
    'outcome',
  ]);
  const skips = metrics.counter('weft_admission_skipped_total', 'Pods left without a proxy, by reason.', [
    'reason',
  ]);
  const duration = metrics.histogram(
    'weft_admission_duration_seconds',
    'Time from a parsed review to its answer.',
    {
      buckets: [0.001, 0.005, 0.025, 0.1, 0.5, 2, 5],
    },
  );
  return {
    answered(outcome, milliseconds) {
      reviews.inc({ outcome });
      duration.observe(milliseconds / 1_000);
    },
    skipped: (code) => skips.inc({ reason: code }),
  };
}
