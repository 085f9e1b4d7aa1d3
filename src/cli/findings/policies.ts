import { trafficPolicy, type TrafficPolicy } from '../../api/index.js';
import { names } from '../../base/index.js';
import type { Service, ServicePort } from '../../model/index.js';
import { ofKind, type Known, type KnownObject } from './known.js';

type Spec = TrafficPolicy['spec'];
type Route = NonNullable<Spec['routes']>[number];

/** A TrafficPolicy that can be read. */
export interface PolicyObject {
  readonly object: KnownObject;
  readonly spec: Spec;
}

export function policiesOf(known: Known): readonly PolicyObject[] {
  return ofKind(known, 'TrafficPolicy', names.API_GROUP).flatMap((object) => {
    const parsed = trafficPolicy.schema.safeParse(writtenPart(object));
    return parsed.success ? [{ object, spec: parsed.data.spec }] : [];
  });
}

/** What a user writes of an object: without what only the API server does. */
export function writtenPart({ raw: { apiVersion, kind, metadata, spec } }: KnownObject): object {
  const { name = '', namespace } = metadata ?? {};
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) }, spec };
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
