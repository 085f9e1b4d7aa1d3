import type { PolicyRoute, RouteMatch } from './policy.js';

/**
 * What a compiled destination may hold: each caller's proxy keeps it in memory and compiles its expressions, so that without
 * a bound the author of one Service could exhaust the proxies of everybody who calls it. The proxy checks the same numbers, of
 * `src/wire/budget.json`, before it compiles anything. `docs/routing.md` tells users.
 */
export const BUDGET: Cost & { readonly endpointReferences: number; readonly tlsBytes: number } = {
  /** Regular expressions in all matches. */
  expressions: 64,
  /** Matches of all routes; a route without any counts as one. */
  matches: 1_024,
  /** Bytes of the routes: an upper bound of what they take on the wire. */
  routeBytes: 256 * 1024,
  /** Endpoints of all backends, each counted once for every backend that lists it. */
  endpointReferences: 65_536,
  /** Bytes of what is said about the TLS of servers, most of which are certificates of authorities. */
  tlsBytes: 512 * 1024,
};

/** Tag and length of a field on the wire, an upper bound. */
export const FIELD_FRAME = 8;

/** What routes take of the budget. */
export interface Cost {
  readonly expressions: number;
  readonly matches: number;
  readonly routeBytes: number;
}

/** What some routes cost together. */
export function costOf(routes: readonly PolicyRoute[]): Cost {
  const matches = routes.flatMap((route) => route.matches);
  return {
    expressions: matches.reduce((total, match) => total + expressionsOf(match), 0),
    matches: routes.reduce((total, route) => total + Math.max(route.matches.length, 1), 0),
    routeBytes: Buffer.byteLength(JSON.stringify(routes)),
  };
}

/** What conditions cost that are not those of routes. */
export function matchesCost(matches: readonly RouteMatch[]): Cost {
  const expressions = matches.reduce((total, match) => total + expressionsOf(match), 0);
  return { expressions, matches: matches.length, routeBytes: 0 };
}

/** What both cost together. */
export function joined(a: Cost, b: Cost): Cost {
  return {
    expressions: a.expressions + b.expressions,
    matches: a.matches + b.matches,
    routeBytes: a.routeBytes + b.routeBytes,
  };
}

export const FREE: Cost = { expressions: 0, matches: 0, routeBytes: 0 };

/** What does not fit into the budget, in words; undefined where all does. */
export function excess(cost: Cost): string | undefined {
  const over = (Object.keys(WORDS) as (keyof Cost)[]).find((name) => cost[name] > BUDGET[name]);
  return over === undefined ? undefined : `${cost[over]} ${WORDS[over]}, of ${BUDGET[over]} at most`;
}

const WORDS: Readonly<Record<keyof Cost, string>> = {
  expressions: 'regular expressions',
  matches: 'matches',
  routeBytes: 'bytes of routes',
};

function expressionsOf({ path, headers, query = [] }: RouteMatch): number {
  const conditions = [path, ...[...headers, ...query].map(({ condition }) => condition)];
  return conditions.filter((condition) => condition?.kind === 'regex').length;
}
