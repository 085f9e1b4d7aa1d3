import type { GrpcMatch } from '../../../api/index.js';
import type { PathMatch } from '../../words/policy.js';
import { checkRegex, readHeaders } from './conditions.js';
import type { RankedMatch } from '../../words/mesh-route.js';
import type { Notes } from './notes.js';

type Method = NonNullable<GrpcMatch['method']>;

/**
 * A match of a GRPCRoute with its precedence: the longest service, the longest method, most headers. Exact names come
 * before expressions, whose place the API leaves open. The path of a gRPC request is `/<service>/<method>`.
 */
export function readGrpcMatch(match: GrpcMatch, field: string, notes: Notes): RankedMatch {
  const { method } = match;
  const path = method === undefined ? undefined : readMethod(method, `${field}.method`, notes);
  const headers = readHeaders(match.headers, `${field}.headers`, notes);
  return {
    match: { headers, ...(path === undefined ? {} : { path }) },
    rank: [...methodRank(method), headers.length],
  };
}

function readMethod(given: Method, field: string, notes: Notes): PathMatch | undefined {
  const [service, method] = [given.service ?? '', given.method ?? ''];
  if (service === '' && method === '') return undefined;
  if (given.type === 'Exact') return exactPath(service, method);
  if (given.type === 'RegularExpression') {
    const value = `/${expression(service)}/${expression(method)}`;
    return checkRegex(value, field, notes) ? { kind: 'regex', value } : undefined;
  }
  notes.unsupported(`${field}.type`, `${given.type} is not supported; use Exact or RegularExpression`);
  return undefined;
}

function exactPath(service: string, method: string): PathMatch {
  if (service !== '' && method !== '') return { kind: 'exact', value: `/${service}/${method}` };
  if (service !== '') return { kind: 'prefix', value: `/${service}` };
  return { kind: 'regex', value: `/[^/]+/${method.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}` };
}

function expression(text: string): string {
  return text === '' ? '[^/]+' : `(?:${text})`;
}

function methodRank(method: Method | undefined): readonly number[] {
  const exact = method?.type === 'Exact';
  const lengths = [method?.service?.length ?? 0, method?.method?.length ?? 0];
  return exact ? [...lengths, 0, 0] : [0, 0, ...lengths];
}
