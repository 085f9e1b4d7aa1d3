import { type Cost, FREE, costOf, excess, joined } from '../words/budget.js';
import { MATCHES_BESIDE } from './beside-routes.js';
import { olderFirst } from './merge.js';
import type { MeshRoute } from '../words/mesh-route.js';

/** What is in a destination whoever writes its routes. */
const BESIDE: Cost = { ...FREE, matches: MATCHES_BESIDE };

/** Of routes that act together those that fit into the budget of a destination: the oldest first. */
export function fitting(members: readonly MeshRoute[]): readonly MeshRoute[] {
  let total = BESIDE;
  return [...members].sort(olderFirst).filter((route) => {
    const next = joined(total, costOfRoute(route));
    const fits = excess(next) === undefined;
    if (fits) total = next;
    return fits;
  });
}

/** Routes change rarely, and are asked about at each change of an endpoint. */
const known = new WeakMap<MeshRoute, Cost>();

function costOfRoute(route: MeshRoute): Cost {
  const cost =
    known.get(route) ??
    costOf(route.rules.map((rule) => ({ ...rule.route, matches: rule.matches.map(({ match }) => match) })));
  known.set(route, cost);
  return cost;
}
