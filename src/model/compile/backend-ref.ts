import { type ServiceKey, namespaceOf, serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { BackendEntry } from '../words/policy.js';
import type { Service, ServicePort } from '../words/service.js';
import { isXBackendKey } from '../words/x-backend.js';

/** Where a share of the traffic goes: a port of a Service, or nowhere and why. */
export type BackendRef =
  | { readonly service: ServiceKey; readonly port: ServicePort; readonly invalid?: never }
  | {
      readonly service: ServiceKey;
      readonly invalid: string;
      /** Its namespace has not permitted the reference. */
      readonly forbidden?: boolean;
      /** It is there, and asks for what the mesh does not act on. */
      readonly unsupported?: boolean;
    };

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
  const forbidden = notPermitted(mesh, entry.service, namespaceOf(target));
  if (forbidden !== undefined)
    return { service: serviceKey(namespace, name), invalid: forbidden, forbidden: true };
  return followService(mesh, serviceKey(namespace, name), port ?? targetPort);
}

/**
 * Why the traffic to a target must not be sent to a Service. Who speaks for the target's own namespace decides about requests of
 * callers everywhere, who would reach the Service in their own name: so the Service's namespace has to permit it.
 * Who speaks for the callers only, a consumer, is free: those could call the Service anyway.
 */
export function notPermitted(
  mesh: Mesh,
  { namespace, name, from }: NonNullable<BackendEntry['service']>,
  targetNamespace: string,
): string | undefined {
  if (from.namespace !== targetNamespace || namespace === targetNamespace) return undefined;
  const key = serviceKey(namespace, name);
  return mesh.isGranted(from, key)
    ? undefined
    : `Service ${key} is in another namespace, which does not permit ${from.kind}s of namespace ${from.namespace} to refer to it; create a ReferenceGrant in ${namespace}`;
}

/** The TCP port of a Service that can serve as a backend. */
export function followService(mesh: Mesh, key: ServiceKey, port: number): BackendRef {
  if (isXBackendKey(key)) return followXBackend(mesh, key);
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

/** The port that an XBackend says, of its pods. */
function followXBackend(mesh: Mesh, key: ServiceKey): BackendRef {
  const backend = mesh.xBackendOf(key);
  const named = key.replace('XBackend:', '');
  if (backend === undefined) return { service: key, invalid: `XBackend ${named} does not exist` };
  const [problem] = backend.problems;
  if (problem !== undefined) {
    const { field, message } = problem;
    return { service: key, invalid: `XBackend ${named}: ${field}: ${message}`, unsupported: true };
  }
  const { port } = backend;
  return { service: key, port: { name: '', port, targetPort: port, protocol: 'TCP' } };
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
