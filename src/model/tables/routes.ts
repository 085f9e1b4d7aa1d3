import { type MeshRoute, routeName } from '../words/mesh-route.js';
import { dirtyRoute, dirtySaid, dirtySpec, type ServiceKey } from '../words/keys.js';
import { backendsOf } from './backends-of.js';
import { Table, eachOf } from './table.js';

/**
 * Routes of Gateway API by the uids of their objects. On one depend its parents, the policies that name it, and verdicts about
 * what is said of its backends.
 */
export function routeTable(): Table<MeshRoute, 'parent' | 'backend' | 'name'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: { parent: parentsOf, backend: backendsOfRoute, name: ({ ref }) => [routeName(ref)] },
    dirty: eachOf((route) => [
      ...dirtySaid(parentsOf(route)),
      ...[...backendsOfRoute(route)].map(dirtySpec),
      dirtyRoute(routeName(route.ref)),
    ]),
  });
}

/** The Services that a route names as its parents. */
export function parentsOf(route: MeshRoute | undefined): ReadonlySet<ServiceKey> {
  return new Set(route?.parents.map(({ service }) => service));
}

function backendsOfRoute({ rules }: MeshRoute): ReadonlySet<ServiceKey> {
  return backendsOf(rules.flatMap(({ route: { split, mirrors = [] } }) => [...split, ...mirrors]));
}
