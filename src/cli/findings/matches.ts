import { isDeepStrictEqual } from 'node:util';
import type { TrafficPolicy } from '../../api/index.js';

type Match = NonNullable<NonNullable<NonNullable<TrafficPolicy['spec']['routes']>[number]['match']>[number]>;
type Condition = NonNullable<Match['headers']>[number] | NonNullable<Match['query']>[number];
type Path = NonNullable<Match['path']>;

/** Whether everything that the second list of matches lets through is let through by the first. No list is everything. */
export function coversAll(wide: readonly Match[] | undefined, narrow: readonly Match[] | undefined): boolean {
  if (wide === undefined) return true;
  return narrow?.every((one) => wide.some((other) => covers(other, one))) ?? false;
}

/** Each condition of the wider match holds wherever the narrower one does. What cannot be told for sure is taken not to. */
function covers(wide: Match, narrow: Match): boolean {
  return (
    (['method', 'port', 'from', 'serverNames'] as const).every(
      (part) => wide[part] === undefined || isDeepStrictEqual(wide[part], narrow[part]),
    ) &&
    coversPath(wide.path, narrow.path) &&
    includesAll(narrow.headers, wide.headers) &&
    includesAll(narrow.query, wide.query)
  );
}

function includesAll(all: readonly Condition[] = [], wanted: readonly Condition[] = []): boolean {
  return wanted.every((one) => all.some((other) => isDeepStrictEqual(one, other)));
}

function coversPath(wide: Path | undefined, narrow: Path | undefined): boolean {
  if (wide === undefined || isDeepStrictEqual(wide, narrow)) return true;
  const below = narrow?.exact ?? narrow?.prefix;
  if (wide.prefix === undefined || below === undefined) return false;
  const prefix = wide.prefix.replace(/\/$/, '');
  return below === prefix || below.startsWith(`${prefix}/`);
}

/** Why no request fulfils a match; undefined where one may. */
export function neverHolds({ headers = [], query = [] }: Match): string | undefined {
  return (
    contradiction(headers, 'header', (name) => name.toLowerCase()) ??
    contradiction(query, 'query parameter', (name) => name)
  );
}

function contradiction(
  conditions: readonly Condition[],
  what: string,
  key: (name: string) => string,
): string | undefined {
  for (const same of Map.groupBy(conditions, ({ name }) => key(name)).values()) {
    const asked = same.filter(({ invert }) => invert !== true);
    const name = same[0]?.name ?? '';
    const exact = new Set(asked.flatMap((one) => one.exact ?? []));
    if (exact.size > 1)
      return `${what} ${name} cannot be both ${[...exact].map((text) => JSON.stringify(text)).join(' and ')}`;
    const isAbsent = asked.some(({ present }) => present === false);
    const isThere = asked.some(
      (one) => (one.exact ?? one.prefix ?? one.regex) !== undefined || one.present === true,
    );
    if (isAbsent && isThere) return `${what} ${name} cannot be absent and have a value`;
  }
  return undefined;
}
