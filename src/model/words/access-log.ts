import type { Portion } from './route-actions.js';

/** What proxies log of requests, as the owner of the mesh says it. */
export interface AccessLog extends LogChoice {
  readonly format: 'json' | 'text';
  /** Fields that are left out. */
  readonly omit: readonly string[];
  /** Headers of requests that are told, in lower case. */
  readonly requestHeaders: readonly string[];
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
