import { MeshError } from '../../base/index.js';
import { printable } from '../page.js';

/** What an assistant can read at once, in characters of JSON; about 15,000 of its tokens. */
export const MOST_CHARACTERS = 60_000;

/** A list that was cut. */
export interface Truncation {
  /** Where it stands, such as `answers[0].bindings`. */
  readonly list: string;
  readonly kept: number;
  readonly of: number;
}

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

interface List {
  readonly path: string;
  readonly items: Json[];
  readonly size: number;
}

/**
 * An answer that an assistant can read: texts of the cluster without what moves a cursor or turns text around, and of the longest lists
 * only the beginning, as `truncated` says.
 */
export function bounded(answer: object, most = MOST_CHARACTERS): Readonly<Record<string, unknown>> {
  const value = cleaned(JSON.parse(JSON.stringify(answer)) as Json) as Readonly<Record<string, Json>>;
  const cut = new Map<string, Truncation>();
  for (;;) {
    const told = cut.size === 0 ? value : { ...value, truncated: [...cut.values()] };
    const size = lengthOf(told);
    if (size <= most) return told;
    const longest = listsIn(value, '').toSorted((a, b) => b.size - a.size)[0];
    if (longest === undefined)
      throw new MeshError(
        'invalid',
        'the answer is too long to return; narrow the question, such as one namespace',
      );
    const { path, items } = longest;
    const of = cut.get(path)?.of ?? items.length;
    // What is cut off is of about the same size as what stays, and never nothing.
    items.length = Math.max(1, Math.min(items.length - 1, Math.floor((items.length * most) / size)));
    cut.set(path, { list: path, kept: items.length, of });
  }
}

function cleaned(value: Json): Json {
  if (typeof value === 'string') return printable(value);
  if (Array.isArray(value)) return value.map(cleaned);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, own]) => [name, cleaned(own)]));
}

/** Every list that can be cut. */
function listsIn(value: Json, path: string): readonly List[] {
  if (value === null || typeof value !== 'object') return [];
  const inside = Object.entries(value as Readonly<Record<string, Json>>).flatMap(([name, own]) =>
    listsIn(own, Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`),
  );
  if (!Array.isArray(value) || value.length < 2) return inside;
  return [{ path, items: value as Json[], size: lengthOf(value) }, ...inside];
}

function lengthOf(value: object): number {
  return JSON.stringify(value).length;
}
