import * as z from 'zod';
import { Unsayable } from './converted.js';

const pathMatch = z.strictObject({
  type: z.string().default('PathPrefix'),
  value: z.string().default('/'),
});

const nameMatch = z.strictObject({ type: z.string().default('Exact'), name: z.string(), value: z.string() });

/** What Gateway API says a request looks like; XAccessPolicy has the same words for paths and headers. */
export const httpMatch = z.strictObject({
  path: pathMatch.default({ type: 'PathPrefix', value: '/' }),
  headers: z.array(nameMatch).default([]),
  queryParams: z.array(nameMatch).default([]),
  method: z.string().optional(),
});

export type HttpMatch = z.infer<typeof httpMatch>;
export type PathMatch = z.infer<typeof pathMatch>;
export type NameMatch = z.infer<typeof nameMatch>;
export { nameMatch, pathMatch };

/** One path, or one and all below it. */
export function patternsOf({ type, value }: PathMatch, path: string): readonly string[] {
  if (type !== 'Exact' && type !== 'PathPrefix')
    throw new Unsayable(
      path,
      `paths of type ${type} have no counterpart: patterns take whole segments, as in /a/*`,
    );
  if (/[*{}]/.test(value))
    throw new Unsayable(
      path,
      `${value} means these very letters there, and any segment here; no pattern says it`,
    );
  const stem = stemOf(value);
  if (type === 'Exact') return [value];
  return stem === '' ? ['/*'] : [stem, `${stem}/*`];
}

/** A condition of ours on a header. */
export function headerOf({ type, name, value }: NameMatch, path: string): object {
  if (type !== 'Exact')
    throw new Unsayable(
      path,
      `values of type ${type} have no counterpart: they are compared whole, or by their beginning`,
    );
  return { name, exact: value };
}

/** What a rule of ours asks for, where one says all of the match. */
export function requestOf({ path, headers, queryParams, method }: HttpMatch, at: string): object {
  if (queryParams.length > 0)
    throw new Unsayable(`${at}.queryParams`, 'rules go by paths without their queries');
  const patterns = patternsOf(path, `${at}.path`);
  return {
    ...(method === undefined ? {} : { methods: [method] }),
    ...(patterns.includes('/*') ? {} : { paths: patterns }),
    ...(headers.length === 0 ? {} : { headers: headers.map((one) => headerOf(one, `${at}.headers`)) }),
  };
}

/** Whether some request that `own` matches may go to `other` all the same, by the precedence of Gateway API. */
export function mayTakeFrom(own: HttpMatch, other: HttpMatch): boolean {
  const apart = own.method !== undefined && other.method !== undefined && own.method !== other.method;
  return !apart && overlap(own.path, other.path) && !isBefore(own, other);
}

const ORDERED = ['Exact', 'PathPrefix'];

function overlap(a: PathMatch, b: PathMatch): boolean {
  if (!ORDERED.includes(a.type) || !ORDERED.includes(b.type)) return true;
  if (a.type === 'Exact') return b.type === 'Exact' ? a.value === b.value : isBelow(a.value, b.value);
  return isBelow(b.value, a.value) || (b.type === 'PathPrefix' && isBelow(a.value, b.value));
}

function isBelow(path: string, prefix: string): boolean {
  const stem = stemOf(prefix);
  return path === stem || path.startsWith(`${stem}/`) || stem === '';
}

function stemOf(prefix: string): string {
  return prefix.endsWith('/') ? prefix.slice(0, -1) : prefix;
}

/** Whether all that both match goes to `own`. Ties are for the older route, whose age no file tells; of expressions the order is nobody's. */
function isBefore(own: HttpMatch, other: HttpMatch): boolean {
  if (!ORDERED.includes(other.path.type)) return false;
  const [mine, theirs] = [rankOf(own), rankOf(other)];
  const first = mine.findIndex((rank, index) => rank !== theirs[index]);
  return first >= 0 && (mine[first] ?? 0) > (theirs[first] ?? 0);
}

function rankOf({ path, method, headers, queryParams }: HttpMatch): readonly number[] {
  return [
    path.type === 'Exact' ? 1 : 0,
    path.value.length,
    method === undefined ? 0 : 1,
    headers.length,
    queryParams.length,
  ];
}
