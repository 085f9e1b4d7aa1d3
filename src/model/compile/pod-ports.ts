import type { Protocol } from '../words/destination.js';
import { isSkipped, ownEndpointSets } from './endpoints.js';
import type { ServiceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import { declaredProtocol } from '../words/protocol.js';
import type { FrontPort } from './asked-service.js';
import type { EndpointSet } from '../words/service.js';
import type { Workload } from '../words/workload.js';

/** What is known about a port of a pod. */
export interface PodPort {
  readonly protocol: Protocol;
  /** Services that send to it, sorted. */
  readonly services: readonly ServiceKey[];
  /** Their ports that lead to it, in the order of the Services. */
  readonly fronts: readonly FrontPort[];
}

/** The captured ports of a pod that a Service sends to, or that an annotation or `others` name, in ascending order. */
export function podPorts(
  mesh: Mesh,
  workload: Workload,
  others: Iterable<number> = [],
): ReadonlyMap<number, PodPort> {
  const said = new Map<number, Said[]>([...workload.opaquePorts, ...others].map((port) => [port, []]));
  for (const { port, ...rest } of ownEndpointSets(mesh, workload).flatMap((set) => saidBy(mesh, set))) {
    said.set(port, [...(said.get(port) ?? []), rest]);
  }
  const ports = [...said].filter(([port]) => !isSkipped(workload, port)).sort(([a], [b]) => a - b);
  return new Map(
    ports.map(([port, sayings]) => [port, toPodPort(workload.opaquePorts.includes(port), sayings)]),
  );
}

interface Said {
  readonly service: ServiceKey;
  /** Of the Service. */
  readonly front: number;
  readonly protocol: Protocol;
}

function saidBy(mesh: Mesh, set: EndpointSet): (Said & { port: number })[] {
  const service = mesh.services.get(set.service);
  return set.ports.flatMap((target) => {
    const port = service?.ports.find(({ name, protocol }) => name === target.name && protocol === 'TCP');
    if (port === undefined || target.protocol !== 'TCP') return [];
    return [{ port: target.port, front: port.port, service: set.service, protocol: declaredProtocol(port) }];
  });
}

/** The pod's own word counts first. Services that contradict each other leave it to detection. */
function toPodPort(bytesOnly: boolean, said: readonly Said[]): PodPort {
  const declared = new Set(said.map(({ protocol }) => protocol).filter((protocol) => protocol !== 'unknown'));
  const [only] = declared;
  const agreed = declared.size === 1 && only !== undefined ? only : 'unknown';
  const services = [...new Set(said.map(({ service }) => service))].sort();
  const fronts = services.flatMap((service) => {
    const ports = said.filter((saying) => saying.service === service).map(({ front }) => front);
    return [...new Set(ports)].sort((a, b) => a - b).map((port) => ({ service, port }));
  });
  return { protocol: bytesOnly ? 'opaque' : agreed, services, fronts };
}
