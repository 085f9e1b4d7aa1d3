/**
 * Names of what the mesh is made of. Services carry no cluster: a Service of one namespace and name is the same
 * Service in every cluster of a mesh. Workloads carry cluster and network, because that is where a pod is.
 */

/** `<namespace>/<name>` of a Service. */
export type ServiceKey = string;

/** Where a workload is. */
export interface WorkloadKey {
  readonly cluster: string;
  readonly network: string;
  readonly namespace: string;
  readonly name: string;
}

/**
 * What a change makes dirty. Compiled resources and names depend on the first seven:
 * - `service/<namespace>/<name>`: a Service, its endpoints and what is said about its traffic;
 * - `workload/<uid>`: a pod and the Services that list it;
 * - `address/<ip>`: whose address it is, and which ports a Service has there;
 * - `access/<namespace>`: who may ask what of the pods of a namespace;
 * - `mtls/<namespace>`: whether callers of the pods of a namespace use mutual TLS;
 * - `egress/<namespace>`: what the pods of a namespace may reach outside the mesh;
 * - `mesh`: the settings, on which everything depends.
 *
 * Verdicts about objects depend on two that endpoints do not touch, which change all the time:
 * - `spec/<namespace>/<name>`: a Service itself, and which policies and routes name it;
 * - `route/<kind> <namespace>/<name>`: a route of Gateway API and which policies name it.
 */
export type DirtyKey =
  | `service/${string}`
  | `workload/${string}`
  | `address/${string}`
  | `access/${string}`
  | `mtls/${string}`
  | `egress/${string}`
  | `spec/${string}`
  | `route/${string}`
  | 'mesh';

/** What a change made dirty: everything compiled that depends on one of the keys is to be compiled again. */
export type Dirty = ReadonlySet<DirtyKey>;

export function serviceKey(namespace: string, name: string): ServiceKey {
  return `${namespace}/${name}`;
}

/** The namespace that a Service is in. */
export function namespaceOf(service: ServiceKey): string {
  return service.slice(0, service.indexOf('/'));
}

/** `<cluster>/<network>/<namespace>/<name>`. */
export function workloadKeyText(key: WorkloadKey): string {
  return `${key.cluster}/${key.network}/${key.namespace}/${key.name}`;
}

export function dirtyService(service: ServiceKey): DirtyKey {
  return `service/${service}`;
}

export function dirtyWorkload(uid: string): DirtyKey {
  return `workload/${uid}`;
}

/** By an address in canonical form. */
export function dirtyAddress(ip: string): DirtyKey {
  return `address/${ip}`;
}

/** By the namespace of the pods. */
export function dirtyAccess(namespace: string): DirtyKey {
  return `access/${namespace}`;
}

/** By the namespace of the pods. */
export function dirtyMtls(namespace: string): DirtyKey {
  return `mtls/${namespace}`;
}

/** By the namespace of the pods. */
export function dirtyEgress(namespace: string): DirtyKey {
  return `egress/${namespace}`;
}

export function dirtySpec(service: ServiceKey): DirtyKey {
  return `spec/${service}`;
}

/** By the `routeName` of a route of Gateway API. */
export function dirtyRoute(route: string): DirtyKey {
  return `route/${route}`;
}

/** What is said about Services changed: what is compiled from it, and verdicts about who said so. */
export function dirtySaid(services: Iterable<ServiceKey>): readonly DirtyKey[] {
  return [...services].flatMap((service) => [dirtyService(service), dirtySpec(service)]);
}
