import type { Collector, PodCollector } from './collector.js';
import type { Portion } from './route-actions.js';

/** What proxies log of requests, as the owner of the mesh says it. */
export interface AccessLog extends LogForm {
  /** Who is told of them as log records; absent: nobody. */
  readonly collector?: Collector;
}

/** The same as a pod is told of it. */
export interface PodAccessLog extends LogForm {
  readonly collector?: PodCollector;
}

interface LogForm extends LogChoice {
  readonly format: 'json' | 'text';
  /** Fields that are left out. */
  readonly omit: readonly string[];
  /** Headers of requests that are told, in lower case. */
  readonly requestHeaders: readonly string[];
  /** Nothing is written to the output of a proxy. */
  readonly silent: boolean;
}

/** Which requests are logged; those of one Service differ in this. */
export interface LogChoice {
  readonly mode: 'off' | 'all' | 'selected';
  /** In mode `selected` those that match any of these. */
  readonly select?: LogSelection;
  readonly removeQuery: boolean;
}

export interface LogSelection {
  readonly errors: boolean;
  readonly denied: boolean;
  readonly slowerThanMs?: number;
  readonly sampling?: Portion;
}
