import { trafficPolicy, type TrafficPolicy } from '../../api/index.js';
import type { Service, ServicePort } from '../../model/index.js';
import type { Known } from './known.js';
import { readAs, type ReadObject } from './read-as.js';

type Spec = TrafficPolicy['spec'];
type Route = NonNullable<Spec['routes']>[number];

/** A TrafficPolicy that can be read. */
export type PolicyObject = ReadObject<Spec>;

export function policiesOf(known: Known): readonly PolicyObject[] {
  return readAs(known, trafficPolicy);
}

/** A route of a TrafficPolicy, and where it stands. */
export interface RouteOfPolicy extends PolicyObject {
  readonly route: Route;
  readonly path: string;
}

export function policyRoutes(known: Known): readonly RouteOfPolicy[] {
  return policiesOf(known).flatMap(({ object, spec }) =>
    (spec.routes ?? []).map((route, index) => ({ object, spec, route, path: `spec.routes[${index}]` })),
  );
}

/** The Services that a policy targets by name and that are known, with the ports that it is about. */
export function targetsOf(
  { mesh }: Known,
  { object, spec }: PolicyObject,
): readonly { readonly path: string; readonly service: Service; readonly ports: readonly ServicePort[] }[] {
  return spec.targetRefs.flatMap((target, index) => {
    if (target.kind !== 'Service') return [];
    const service = mesh.services.get(`${target.namespace ?? object.namespace}/${target.name}`);
    if (service === undefined) return [];
    const ports = service.ports.filter(({ port }) => (target.port ?? port) === port);
    return [{ path: `spec.targetRefs[${index}]`, service, ports }];
  });
}
