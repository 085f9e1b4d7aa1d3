import type { Mesh } from '../mesh.js';
import { serviceKey } from '../keys.js';
import { declaredProtocol } from '../protocol.js';
import type { Service, ServicePort } from '../service.js';
import type { MeshRoute, RouteKind, RouteParent } from './mesh-route.js';

/** Of two kinds on one port only the first acts (GEP-1426, route types). */
const BY_PRECEDENCE: readonly RouteKind[] = ['GRPCRoute', 'HTTPRoute'];

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
        ref.namespace === namespace && parents.some((parent) => attaches(parent, service, port)),
    );
  for (const kind of BY_PRECEDENCE) {
    const ofKind = attached.filter(({ ref, rules }) => ref.kind === kind && rules.length > 0);
    if (ofKind.length > 0) return ofKind;
  }
  return [];
}

/**
 * Whether a parent means this port. A Service without a cluster IP has no traffic of its own to take over, and one that
 * is declared to carry bytes has no requests: a route for all ports must not break the database beside the web server.
 */
export function attaches(parent: RouteParent, service: Service, port: ServicePort): boolean {
  return (
    parent.service === serviceKey(service.namespace, service.name) &&
    isFrontend(service) &&
    port.protocol === 'TCP' &&
    declaredProtocol(port) !== 'opaque' &&
    (parent.port === undefined || parent.port === port.port) &&
    (parent.portName === undefined || parent.portName === port.name)
  );
}

/** Whether callers reach it by an address of its own. */
export function isFrontend(service: Service): boolean {
  return service.type !== 'ExternalName' && !service.headless;
}
