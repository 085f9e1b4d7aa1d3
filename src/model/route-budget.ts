import type { Route } from './destination.js';
import { constraintOn } from './gateway-api/index.js';
import { type ServiceKey, serviceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import { DEFAULT_BUDGET, type PolicyRoute } from './policy.js';
import type { Budget } from './resilience.js';

/** A route of a policy as proxies hold to it: what it sends again has a bound. */
export type BudgetedRoute = Omit<PolicyRoute, 'retries' | 'hedging' | 'budget'> &
  Pick<Route, 'retries' | 'hedging'>;

/**
 * Bounds what a route of the target sends again: by the route's own words, else by those on the Services that its
 * requests go to (GEP-3388), else as usual. A route that sends nothing again has nothing to bound.
 */
export function budgeted(mesh: Mesh, target: ServiceKey, route: PolicyRoute): BudgetedRoute {
  const { retries, hedging, budget: own, ...rest } = route;
  if (retries === undefined && hedging === undefined) return rest;
  const budget = own ?? strictestOf(mesh, servicesOf(target, route.split)) ?? DEFAULT_BUDGET;
  return {
    ...rest,
    ...(retries === undefined ? {} : { retries: { ...retries, budget } }),
    ...(hedging === undefined ? {} : { hedging: { ...hedging, budget } }),
  };
}

function servicesOf(target: ServiceKey, split: PolicyRoute['split']): readonly ServiceKey[] {
  if (split.length === 0) return [target];
  return split
    .filter(({ weight }) => weight > 0)
    .map(({ service }) => (service === undefined ? target : serviceKey(service.namespace, service.name)));
}

/** A route has one budget, so of several Services the one that allows the smallest share speaks for all. */
function strictestOf(mesh: Mesh, services: readonly ServiceKey[]): Budget | undefined {
  return services
    .flatMap((service) => constraintOn(mesh, service)?.budget ?? [])
    .sort(
      (a, b) => a.percent - b.percent || a.minPerSecond - b.minPerSecond || a.intervalMs - b.intervalMs,
    )[0];
}
