import { routeName } from '../words/mesh-route.js';
import { dirtyRoute, dirtySaid, serviceKey, type ServiceKey } from '../words/keys.js';
import type { Mesh } from './mesh.js';
import type { Policy } from '../words/policy.js';
import { backendsOf } from './backends-of.js';
import { parentsOf } from './routes.js';
import { Table, eachOf } from './table.js';

/**
 * Policies by the uids of their objects. On one depend the Services it names, those of the namespaces it names, and the
 * parents of the routes it names.
 */
export function policyTable(
  mesh: Mesh,
): Table<Policy, 'service' | 'namespace' | 'route' | 'backend' | 'counting' | 'outside'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: {
      service: servicesOf,
      namespace: namespacesOf,
      route: routesOf,
      backend: backendsOfPolicy,
      counting: countsClaimsIn,
      outside: limitsCallsFrom,
    },
    dirty: eachOf((policy) => {
      const routes = [...routesOf(policy)];
      const inNamespaces = [...namespacesOf(policy)].flatMap((namespace) => mesh.servicesIn(namespace));
      const parents = routes.flatMap((name) => [...parentsOf(mesh.routeNamed(name))]);
      return [...dirtySaid([...servicesOf(policy), ...inNamespaces, ...parents]), ...routes.map(dirtyRoute)];
    }),
  });
}

function servicesOf({ targets }: Policy): ReadonlySet<ServiceKey> {
  return new Set(targets.flatMap(({ service }) => service ?? []));
}

function namespacesOf({ targets }: Policy): ReadonlySet<string> {
  return new Set(targets.flatMap(({ everyServiceOf }) => everyServiceOf ?? []));
}

function routesOf({ routeTargets = [] }: Policy): ReadonlySet<string> {
  return new Set(routeTargets.map(routeName));
}

/** Its own namespace, whose issuers prove the claims by which its limits count. */
function countsClaimsIn({ ref, rateLimits = [] }: Policy): ReadonlySet<string> {
  const counts = rateLimits.some(({ key }) => key.some((part) => 'claim' in part));
  return new Set(counts ? [ref.namespace] : []);
}

/** Its own namespace, whose ExternalServices its limits name. */
function limitsCallsFrom({ ref, rateLimits = [] }: Policy): ReadonlySet<string> {
  return new Set(rateLimits.some(({ to }) => to?.kind === 'ExternalService') ? [ref.namespace] : []);
}

function backendsOfPolicy({ routes, externalCheck, rateLimits = [] }: Policy): ReadonlySet<ServiceKey> {
  const inRoutes = routes.flatMap(({ split, mirrors = [] }) => [...split, ...mirrors]);
  const counting = rateLimits.flatMap(({ counted }) => counted ?? []);
  const checking = externalCheck === undefined ? [] : [externalCheck];
  const called = rateLimits.flatMap(({ to }) => (to?.kind === 'Service' ? [to] : []));
  return new Set([
    ...backendsOf([...inRoutes, ...checking, ...counting]),
    ...called.map(({ namespace, name }) => serviceKey(namespace, name)),
  ]);
}
