import { type HttpRetry, type HttpRule, durationMs } from '../../../api/index.js';
import type { PolicyRoute, Timeouts } from '../../words/policy.js';
import type { Notes } from './notes.js';

/** GEP-1742. A duration of zero is no limit. `backendRequest` is the time of one try until the head of its response. */
export function readTimeouts(
  given: HttpRule['timeouts'],
  field: string,
  notes: Notes,
): { readonly timeouts?: Timeouts } {
  const requestMs = positiveMs(given?.request, `${field}.request`, notes);
  const perTryMs = positiveMs(given?.backendRequest, `${field}.backendRequest`, notes);
  if (requestMs === undefined && perTryMs === undefined) return {};
  return {
    timeouts: {
      ...(requestMs === undefined ? {} : { requestMs }),
      ...(perTryMs === undefined ? {} : { perTryMs }),
    },
  };
}

const MAX_ATTEMPTS = 10;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'];

/**
 * GEP-1731: what no backend looked at, and answers with the listed statuses, whatever the method, because who wants only
 * some methods repeated says so in the match of the rule. A connection that ends under a request is not among it: the
 * request may have been acted on. One retry where the number is left out; with zero nothing is sent twice, not even what
 * the mesh sends again where nobody speaks of retries.
 */
export function readRetries(
  given: HttpRetry | undefined,
  field: string,
  notes: Notes,
): Pick<PolicyRoute, 'retries'> {
  if (given === undefined) return {};
  const { codes, attempts = 1, backoff } = given;
  const backoffMs = positiveMs(backoff, `${field}.backoff`, notes);
  if (attempts > MAX_ATTEMPTS) {
    notes.unsupported(`${field}.attempts`, `${attempts} is more than the ${MAX_ATTEMPTS} allowed`);
  }
  if (attempts < 1) return { retries: { attempts: 0, on: [], statuses: [], methods: [] } };
  return {
    retries: {
      attempts,
      on: ['connect-failure', 'refused-stream'],
      statuses: codes,
      methods: METHODS,
      ...(backoffMs === undefined ? {} : { backoffMs }),
    },
  };
}

function positiveMs(text: string | undefined, field: string, notes: Notes): number | undefined {
  if (text === undefined) return undefined;
  const ms = durationMs(text);
  if (ms === undefined)
    notes.unsupported(field, `${text} is not a valid duration; write it as 500ms, 10s or 1m30s`);
  return ms === 0 ? undefined : ms;
}
