import type { Mesh } from '../tables/mesh.js';
import { serviceKey } from '../words/keys.js';
import { declaredProtocol } from '../words/protocol.js';
import type { Service, ServicePort } from '../words/service.js';
import { type MeshRoute, type RouteKind, type RouteParent, isForConnections } from '../words/mesh-route.js';

/** Of two kinds on one port only the first acts (GEP-1294, route types). */
const BY_PRECEDENCE: readonly RouteKind[] = ['GRPCRoute', 'HTTPRoute', 'TLSRoute', 'TCPRoute'];

/** The routes of a namespace that act together on a port of a Service; empty when there are none. */
export function routeSetOn(
  mesh: Mesh,
  namespace: string,
  service: Service,
  port: ServicePort,
): readonly MeshRoute[] {
  const attached = mesh
    .routesOn(serviceKey(service.namespace, service.name))
    .filter(
      ({ ref, parents }) =>
        ref.namespace === namespace &&
        parents.some((parent) => attaches(ref.kind, parent, { service, port })),
    );
  for (const kind of BY_PRECEDENCE) {
    const ofKind = attached.filter(({ ref, rules }) => ref.kind === kind && rules.length > 0);
    if (ofKind.length > 0) return ofKind;
  }
  return [];
}

/**
 * Whether a parent of a route means this port. A Service without a cluster IP has no traffic of its own to take over, and
 * a port that is declared to carry bytes has no requests: a route for all ports must not break the database beside the web
 * server. Nor may one for connections take requests out of sight that are declared as such.
 */
export function attaches(
  kind: RouteKind,
  parent: RouteParent,
  { service, port }: { readonly service: Service; readonly port: ServicePort },
): boolean {
  const declared = declaredProtocol(port);
  return (
    parent.service === serviceKey(service.namespace, service.name) &&
    isFrontend(service) &&
    port.protocol === 'TCP' &&
    (isForConnections(kind) ? ['opaque', 'unknown'].includes(declared) : declared !== 'opaque') &&
    (parent.port === undefined || parent.port === port.port) &&
    (parent.portName === undefined || parent.portName === port.name)
  );
}

/** Whether callers reach it by an address of its own. */
export function isFrontend(service: Service): boolean {
  return service.type !== 'ExternalName' && !service.headless;
}
