import { type MeshRoute, type RouteKind, toMeshRoute } from '../model/index.js';

/** How a route object of a test differs from `shop/<name>` on Service `shop/reviews`. */
export interface RouteFields {
  readonly kind?: RouteKind;
  readonly namespace?: string;
  readonly createdAt?: string;
  readonly generation?: number;
  readonly parents?: readonly object[];
  /** Of a TLSRoute. */
  readonly hostnames?: readonly string[];
}

/** The Service that routes of a test have as parent. */
export const REVIEWS_PARENT = { group: '', kind: 'Service', name: 'reviews', namespace: 'shop' };

/** A route, by default an HTTPRoute, as the API server stores it; its uid is its namespace and name. */
export function routeObject(
  name: string,
  rules: readonly object[],
  fields: RouteFields = {},
): Record<string, unknown> & { metadata: Record<string, unknown> & { name: string; namespace: string } } {
  const { kind = 'HTTPRoute', namespace = 'shop', createdAt = '2026-01-01T00:00:00Z' } = fields;
  const { generation = 1, parents = [REVIEWS_PARENT], hostnames } = fields;
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind,
    metadata: { name, namespace, uid: `${namespace}/${name}`, generation, creationTimestamp: createdAt },
    spec: { parentRefs: parents, rules, ...(hostnames === undefined ? {} : { hostnames }) },
  };
}

/** The same, read. */
export function aRoute(name: string, rules: readonly object[], fields: RouteFields = {}): MeshRoute {
  const route = toMeshRoute(fields.kind ?? 'HTTPRoute', routeObject(name, rules, fields));
  if (route === undefined) throw new Error(`${name} has not the shape of a route`);
  return route;
}
