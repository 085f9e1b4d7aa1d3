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
 * What a compiled resource depends on and a change makes dirty: a Service (`service/<namespace>/<name>`), a pod
 * (`workload/<uid>`), or the settings that everything depends on (`mesh`).
 */
export type DirtyKey = `service/${string}` | `workload/${string}` | 'mesh';

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
