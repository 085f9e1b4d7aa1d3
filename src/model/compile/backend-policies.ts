import type { Route } from '../words/destination.js';
import type { BackendPolicy } from '../words/backend-policy.js';
import { actingOn } from './acting-backend-policy.js';
import { type ServiceKey, serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import { DEFAULT_BUDGET, type PolicyRoute } from '../words/policy.js';
import type { Budget } from '../words/resilience.js';

/** A route of a policy as proxies hold to it: what it sends again has a bound. */
export type CompletedRoute = Omit<PolicyRoute, 'retries' | 'hedging' | 'budget'> &
  Pick<Route, 'retries' | 'hedging'>;

/**
 * Adds to a route of the target what the policies on the Services, and the XBackends, say that its requests go to, where it says nothing
 * itself: how sessions are kept (GEP-1619), and what bounds that which is sent again (GEP-3388), else as usual. A
 * route that sends nothing again has nothing to bound.
 */
export function completed(mesh: Mesh, target: ServiceKey, route: PolicyRoute): CompletedRoute {
  const { retries, hedging, budget: own, ...rest } = route;
  const services = servicesOf(target, route.split);
  const policies = services.flatMap((service) => actingOn(mesh, service) ?? []);
  const said = [...policies, ...services.flatMap((service) => mesh.xBackendOf(service) ?? [])];
  const session = route.session ?? said.find((one) => one.session !== undefined)?.session;
  const budget = own ?? strictestOf(policies) ?? DEFAULT_BUDGET;
  return {
    ...rest,
    ...(session === undefined || route.actions?.answer !== undefined ? {} : { session }),
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
function strictestOf(policies: readonly BackendPolicy[]): Budget | undefined {
  return policies
    .flatMap(({ budget }) => budget ?? [])
    .sort(
      (a, b) => a.percent - b.percent || a.minPerSecond - b.minPerSecond || a.intervalMs - b.intervalMs,
    )[0];
}
