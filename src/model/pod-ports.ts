import type { Protocol } from './destination.js';
import { isSkipped } from './endpoints.js';
import type { ServiceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import { declaredProtocol } from './protocol.js';
import type { EndpointSet } from './service.js';
import type { Workload } from './workload.js';

/** What is known about a port of a pod. */
export interface PodPort {
  readonly protocol: Protocol;
  /** Services that send to it, sorted. */
  readonly services: readonly ServiceKey[];
}

/** The captured ports of a pod that a Service sends to or an annotation names, in ascending order. */
export function podPorts(mesh: Mesh, workload: Workload): ReadonlyMap<number, PodPort> {
  const said = new Map<number, Said[]>(workload.opaquePorts.map((port) => [port, []]));
  for (const { port, ...rest } of mesh.endpointSetsWith(workload.uid).flatMap((set) => saidBy(mesh, set))) {
    said.set(port, [...(said.get(port) ?? []), rest]);
  }
  const ports = [...said].filter(([port]) => !isSkipped(workload, port)).sort(([a], [b]) => a - b);
  return new Map(
    ports.map(([port, sayings]) => [port, toPodPort(workload.opaquePorts.includes(port), sayings)]),
  );
}

interface Said {
  readonly service: ServiceKey;
  readonly protocol: Protocol;
}

function saidBy(mesh: Mesh, set: EndpointSet): (Said & { port: number })[] {
  const service = mesh.services.get(set.service);
  return set.ports.flatMap((target) => {
    const port = service?.ports.find(({ name, protocol }) => name === target.name && protocol === 'TCP');
    if (port === undefined || target.protocol !== 'TCP') return [];
    return [{ port: target.port, service: set.service, protocol: declaredProtocol(port) }];
  });
}

/** The pod's own word counts first. Services that contradict each other leave it to detection. */
function toPodPort(bytesOnly: boolean, said: readonly Said[]): PodPort {
  const declared = new Set(said.map(({ protocol }) => protocol).filter((protocol) => protocol !== 'unknown'));
  const [only] = declared;
  const agreed = declared.size === 1 && only !== undefined ? only : 'unknown';
  const services = [...new Set(said.map(({ service }) => service))].sort();
  return { protocol: bytesOnly ? 'opaque' : agreed, services };
}
