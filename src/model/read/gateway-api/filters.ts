import {
  type Filter,
  type HeaderModifier,
  type PathModifier,
  type RequestRedirect,
  headerChangeProblem,
} from '../../../api/index.js';
import type {
  Answer,
  HeaderChanges,
  MessageHeaders,
  PathChange,
  RouteActions,
} from '../../words/route-actions.js';
import type { Referrer } from '../../words/grant.js';
import type { MirrorEntry } from '../../words/policy.js';
import { readCors } from './cors.js';
import { readMirror } from './mirror.js';
import type { Notes } from './notes.js';

/** Where filters stand, and what they may be there. */
export interface FilterPlace {
  readonly field: string;
  /** In whose object; its namespace is what references mean by default. */
  readonly from: Referrer;
  /** Types that the mesh honours in this place. */
  readonly types: readonly FilterType[];
}

type FilterType = keyof typeof READERS | 'RequestMirror';

/** Filters of a rule of an HTTPRoute. */
export const HTTP_RULE_FILTERS: FilterPlace['types'] = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestMirror',
  'RequestRedirect',
  'URLRewrite',
  'CORS',
];

/** Filters of a rule of a GRPCRoute. */
export const GRPC_RULE_FILTERS: FilterPlace['types'] = [
  'RequestHeaderModifier',
  'ResponseHeaderModifier',
  'RequestMirror',
];

/** Filters of one share of either kind of route. */
export const HEADER_FILTERS: FilterPlace['types'] = ['RequestHeaderModifier', 'ResponseHeaderModifier'];

/** What filters do to requests and responses. */
export interface ReadFilters {
  readonly actions?: RouteActions;
  readonly mirrors?: readonly MirrorEntry[];
}

/** Reads filters in order; what the mesh does not honour in this place is noted. */
export function readFilters(
  filters: readonly Filter[],
  { field, from, types }: FilterPlace,
  notes: Notes,
): ReadFilters {
  let actions: RouteActions = {};
  const mirrors: MirrorEntry[] = [];
  for (const [place, filter] of filters.entries()) {
    const at = `${field}[${place}]`;
    const type = types.find((known) => known === filter.type);
    if (type === undefined) refuse(filter, { field: at, types }, notes);
    else if (type === 'RequestMirror') mirrors.push(...readMirror(filter, { field: at, from }, notes));
    else actions = joined(actions, READERS[type](filter, at, notes));
  }
  checkCombination(actions, mirrors, { field, notes });
  return {
    ...(Object.keys(actions).length === 0 ? {} : { actions }),
    ...(mirrors.length === 0 ? {} : { mirrors }),
  };
}

/** A redirect sends nothing on that could be rewritten or copied. */
function checkCombination(
  { answer, rewrite }: RouteActions,
  mirrors: readonly MirrorEntry[],
  { field, notes }: { readonly field: string; readonly notes: Notes },
): void {
  if (answer === undefined || (rewrite === undefined && mirrors.length === 0)) return;
  notes.add({
    condition: 'Accepted',
    reason: 'IncompatibleFilters',
    field,
    message: 'a request that is redirected is neither rewritten nor mirrored; remove one of the filters',
  });
}

/** One reader for each type of filter that the mesh honours. */
const READERS = {
  RequestHeaderModifier: ({ requestHeaderModifier }: Filter, field: string, notes: Notes): RouteActions => ({
    headers: { request: changes(requestHeaderModifier, `${field}.requestHeaderModifier`, notes) },
  }),
  ResponseHeaderModifier: (
    { responseHeaderModifier }: Filter,
    field: string,
    notes: Notes,
  ): RouteActions => ({
    headers: { response: changes(responseHeaderModifier, `${field}.responseHeaderModifier`, notes) },
  }),
  RequestRedirect: ({ requestRedirect }: Filter, field: string, notes: Notes): RouteActions =>
    requestRedirect === undefined
      ? {}
      : { answer: redirect(requestRedirect, `${field}.requestRedirect`, notes) },
  CORS: ({ cors }: Filter, field: string, notes: Notes): RouteActions =>
    cors === undefined ? {} : { cors: readCors(cors, `${field}.cors`, notes) },
  URLRewrite: ({ urlRewrite }: Filter, field: string, notes: Notes): RouteActions => {
    const path = pathChange(urlRewrite?.path, `${field}.urlRewrite.path`, notes);
    const host = urlRewrite?.hostname;
    return {
      rewrite: { ...(host === undefined ? {} : { host }), ...(path === undefined ? {} : { path }) },
    };
  },
} satisfies Readonly<Record<string, (filter: Filter, field: string, notes: Notes) => RouteActions>>;

function refuse(
  { type, extensionRef }: Filter,
  { field, types }: Pick<FilterPlace, 'field' | 'types'>,
  notes: Notes,
): void {
  notes.unsupported(`${field}.type`, `${type} is not supported here; Weft honours ${types.join(', ')}`);
  if (extensionRef === undefined) return;
  const { group, kind } = extensionRef;
  notes.add({
    condition: 'ResolvedRefs',
    reason: 'InvalidKind',
    field: `${field}.extensionRef`,
    message: `a filter of kind ${kind} in group ${group} is not supported; remove it`,
  });
}

function joined(a: RouteActions, b: RouteActions): RouteActions {
  const headers: MessageHeaders = { ...a.headers, ...b.headers };
  return { ...a, ...b, ...(Object.keys(headers).length === 0 ? {} : { headers }) };
}

/** Printable ASCII and tabs, as a TrafficPolicy may have them. */
const HEADER_VALUE = /^[\t -~]*$/;

function changes(modifier: HeaderModifier | undefined, field: string, notes: Notes): HeaderChanges {
  const { set, add, remove } = modifier ?? { set: [], add: [], remove: [] };
  for (const name of [...set, ...add].map((header) => header.name).concat(remove)) {
    const problem = headerChangeProblem(name);
    if (problem !== undefined) notes.unsupported(field, `${name} ${problem}`);
  }
  for (const { name, value } of [...set, ...add]) {
    if (!HEADER_VALUE.test(value)) {
      notes.unsupported(field, `the value of ${name} has characters other than printable ASCII`);
    }
  }
  const lower = ({ name, value }: { readonly name: string; readonly value: string }) => ({
    name: name.toLowerCase(),
    value,
  });
  return { set: set.map(lower), add: add.map(lower), remove: remove.map((name) => name.toLowerCase()) };
}

function redirect(given: RequestRedirect, field: string, notes: Notes): Answer {
  const { scheme, hostname, port, statusCode } = given;
  const path = pathChange(given.path, `${field}.path`, notes);
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') {
    notes.unsupported(`${field}.scheme`, `${scheme} is not supported; use http or https`);
  }
  if (![301, 302, 303, 307, 308].includes(statusCode)) {
    notes.unsupported(`${field}.statusCode`, `${statusCode} is not supported; use 301, 302, 303, 307 or 308`);
  }
  return {
    kind: 'redirect',
    ...(scheme === 'http' || scheme === 'https' ? { scheme } : {}),
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(port === undefined ? {} : { port }),
    ...(path === undefined ? {} : { path }),
    status: statusCode,
  };
}

/** Characters of a path that proxies write into a request without looking again. */
const PATH = /^\/[-A-Za-z0-9._~!$&'()*+,;=:@%/]*$/;

/** The API allows an empty text for the root. */
function pathChange(given: PathModifier | undefined, field: string, notes: Notes): PathChange | undefined {
  if (given === undefined) return undefined;
  const { type, replaceFullPath, replacePrefixMatch } = given;
  if (type !== 'ReplaceFullPath' && type !== 'ReplacePrefixMatch') {
    notes.unsupported(`${field}.type`, `${type} is not supported; use ReplaceFullPath or ReplacePrefixMatch`);
    return undefined;
  }
  const full = type === 'ReplaceFullPath';
  const text = full ? replaceFullPath : replacePrefixMatch;
  const value = text === undefined || text === '' ? '/' : text;
  if (!PATH.test(value))
    notes.unsupported(field, `${value} is not a valid path; begin it with / and escape the rest`);
  return { kind: full ? 'full' : 'prefix', value };
}
