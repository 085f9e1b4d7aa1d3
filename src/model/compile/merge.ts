import { compare } from './winner.js';
import type { PolicyRef, PolicyRoute, RouteMatch } from '../words/policy.js';
import type { MeshRoute, RankedMatch, RouteRule } from '../words/mesh-route.js';

interface Entry {
  readonly rule: RouteRule;
  readonly ranked: RankedMatch;
}

/**
 * The rules of several routes as one list of which the first match is taken. Gateway API's precedence decides about
 * two matches; where it knows none, the oldest route, then the first by namespace and name, then the first rule.
 */
export function mergeRoutes(
  members: readonly MeshRoute[],
  actingAs: (route: MeshRoute, rule: RouteRule) => RouteRule['route'] = (_, rule) => rule.route,
): readonly PolicyRoute[] {
  const byAge = [...members].sort(olderFirst);
  const acting = new Map(
    byAge.flatMap((route) => route.rules.map((rule) => [rule, actingAs(route, rule)] as const)),
  );
  const entries = byAge.flatMap(({ rules }) =>
    rules.flatMap((rule) => rule.matches.map((ranked): Entry => ({ rule, ranked }))),
  );
  // The sort is stable: what is equal stays in the order of age, rule and match.
  const sorted = entries.sort((a, b) => greaterFirst(a.ranked.rank, b.ranked.rank));
  return runs(sorted).map(({ rule, matches }) => ({ ...(acting.get(rule) ?? rule.route), matches }));
}

/** Of two routes or policies the one that decides where nothing else does. */
export function olderFirst(a: { readonly ref: PolicyRef }, b: { readonly ref: PolicyRef }): number {
  return (
    compare(a.ref.creationTimestamp, b.ref.creationTimestamp) ||
    compare(`${a.ref.namespace}/${a.ref.name}`, `${b.ref.namespace}/${b.ref.name}`)
  );
}

function greaterFirst(a: readonly number[], b: readonly number[]): number {
  for (const [place, number] of a.entries()) {
    const difference = (b[place] ?? 0) - number;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Neighbours of one rule are one route again. */
function runs(entries: readonly Entry[]): { readonly rule: RouteRule; readonly matches: RouteMatch[] }[] {
  const found: { readonly rule: RouteRule; readonly matches: RouteMatch[] }[] = [];
  for (const { rule, ranked } of entries) {
    const last = found.at(-1);
    if (last?.rule === rule) last.matches.push(ranked.match);
    else found.push({ rule, matches: [ranked.match] });
  }
  return found;
}
