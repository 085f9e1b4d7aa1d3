import { type ServiceKey, serviceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type { BackendEntry } from './policy.js';
import type { Service, ServicePort } from './service.js';

/** Where a share of the traffic goes: a port of a Service, or nowhere and why. */
export type BackendRef =
  | { readonly service: ServiceKey; readonly port: ServicePort; readonly invalid?: never }
  | { readonly service: ServiceKey; readonly invalid: string };

/** Follows an entry of a split on a port of its target Service. A port that is not given is the target's own. */
export function followSplit(
  mesh: Mesh,
  entry: BackendEntry,
  target: ServiceKey,
  targetPort: number,
): BackendRef {
  if (entry.invalid !== undefined) return { service: target, invalid: entry.invalid };
  if (entry.service === undefined) return followService(mesh, target, targetPort);
  const { namespace, name, port } = entry.service;
  return followService(mesh, serviceKey(namespace, name), port ?? targetPort);
}

/** The TCP port of a Service that can serve as a backend. */
export function followService(mesh: Mesh, key: ServiceKey, port: number): BackendRef {
  const service = mesh.services.get(key);
  if (service === undefined) return { service: key, invalid: `Service ${key} does not exist` };
  if (service.type === 'ExternalName') {
    return {
      service: key,
      invalid: `Service ${key} is of type ExternalName, which has no endpoints to send to`,
    };
  }
  const found = tcpPort(service, port);
  return found === undefined
    ? { service: key, invalid: noSuchPort(service, port) }
    : { service: key, port: found };
}

export function tcpPort(service: Service, port: number): ServicePort | undefined {
  return service.ports.find((candidate) => candidate.port === port && candidate.protocol === 'TCP');
}

export function tcpPorts(service: Service): readonly number[] {
  return service.ports.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => port);
}

/** Says which ports there are instead. */
export function noSuchPort(service: Service, port: number): string {
  const ports = tcpPorts(service);
  const instead = ports.length === 0 ? 'it has no TCP port' : `its TCP ports are ${ports.join(', ')}`;
  return `Service ${serviceKey(service.namespace, service.name)} has no TCP port ${port}; ${instead}`;
}
