import type { HttpMatch } from '../../../api/index.js';
import type { PathMatch } from '../../words/policy.js';
import { checkRegex, readHeaders, readNamed } from './conditions.js';
import type { RankedMatch } from '../../words/mesh-route.js';
import type { Notes } from './notes.js';

/**
 * A match of an HTTPRoute with its precedence: an exact path, then an expression (the API leaves its place open), then
 * the longest prefix; a method; most headers; most query parameters.
 */
export function readHttpMatch(match: HttpMatch, field: string, notes: Notes): RankedMatch {
  const path = readPath(match.path, `${field}.path`, notes);
  const headers = readHeaders(match.headers, `${field}.headers`, notes);
  const query = readNamed(match.queryParams, `${field}.queryParams`, notes);
  const { method } = match;
  if (method !== undefined && !/^[A-Z]+$/.test(method)) {
    notes.unsupported(`${field}.method`, `${method} is not a valid method; write it in upper case`);
  }
  return {
    match: {
      headers,
      ...(path === undefined ? {} : { path }),
      ...(query.length === 0 ? {} : { query }),
      ...(method === undefined ? {} : { method }),
    },
    rank: [...pathRank(path), method === undefined ? 0 : 1, headers.length, query.length],
  };
}

/** No path is the prefix `/`, which every path has. */
function readPath(path: HttpMatch['path'], field: string, notes: Notes): PathMatch | undefined {
  if (path === undefined) return undefined;
  const { type, value } = path;
  if (type === 'Exact') return { kind: 'exact', value };
  if (type === 'PathPrefix') return { kind: 'prefix', value };
  if (type === 'RegularExpression') {
    return checkRegex(value, `${field}.value`, notes) ? { kind: 'regex', value } : undefined;
  }
  notes.unsupported(`${field}.type`, `${type} is not supported; use Exact, PathPrefix or RegularExpression`);
  return undefined;
}

function pathRank(path: PathMatch | undefined): readonly [kind: number, length: number] {
  if (path === undefined) return [0, 0];
  // The slash at the end of a prefix says nothing.
  const { length } = path.kind === 'prefix' ? path.value.replace(/\/$/, '') : path.value;
  const kinds = { prefix: 0, regex: 1, exact: 2 };
  return [kinds[path.kind], length];
}
