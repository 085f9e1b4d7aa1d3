import type { Counter, Metrics } from '../base/index.js';
import type { AnyInformer } from './informer.js';

export interface InformerMetrics {
  readonly restarts: Counter<'kind' | 'reason'>;
  readonly unreadable: Counter<'kind'>;
  readonly handlerErrors: Counter<'kind'>;
}

/** `informers` is asked at each scrape, so that metrics of new ones appear without pushing; there is one for each kind. */
export function createInformerMetrics(
  metrics: Metrics,
  informers: () => Iterable<AnyInformer>,
): InformerMetrics {
  metrics.gauge(
    'weft_informer_stale_seconds',
    'Time since the API server last told anything about the objects of a kind.',
    ['kind'],
    (gauge) => {
      for (const { kind, staleSeconds } of informers()) gauge.set({ kind }, staleSeconds);
    },
  );
  metrics.gauge('weft_informer_objects', 'Objects of a kind in the cache.', ['kind'], (gauge) => {
    for (const { kind, store } of informers()) gauge.set({ kind }, store.size);
  });
  metrics.gauge(
    'weft_informer_refused',
    '1 while the API server refuses to list or watch a kind; what was known of it stays in force.',
    ['kind', 'reason'],
    (gauge) => {
      gauge.reset();
      for (const { kind, refusal } of informers())
        if (refusal !== undefined) gauge.set({ kind, reason: refusal.code }, 1);
    },
  );
  return {
    restarts: metrics.counter(
      'weft_informer_restarts_total',
      'Lists and watches begun again after a failure.',
      ['kind', 'reason'],
    ),
    unreadable: metrics.counter(
      'weft_informer_unreadable_total',
      'Objects that could not be read and were left as they were.',
      ['kind'],
    ),
    handlerErrors: metrics.counter(
      'weft_informer_handler_errors_total',
      'Changes of a kind that a part of the control plane failed to take.',
      ['kind'],
    ),
  };
}
