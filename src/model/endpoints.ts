import { names } from '../base/index.js';
import type { Endpoint } from './destination.js';
import { canonicalIp, ipFamily } from './ip.js';
import type { ServiceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type { EndpointAddress, ServicePort } from './service.js';
import { spiffeId } from './spiffe.js';
import type { Workload } from './workload.js';

const OWN_PORTS: readonly number[] = [names.ProxyPort.probe, names.ProxyPort.metrics];

/** An endpoint that may be chosen, with what subsets ask about it. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly labels: Readonly<Record<string, string>>;
  /** The pod declares its port as bytes only, meshed or not. */
  readonly bytesOnly: boolean;
}

/**
 * The endpoints of a Service port that take traffic: the ready ones, or else, as kube-proxy does, those that
 * terminate but still serve. Of a pod with two addresses the one of the preferred family counts, so that it is not
 * chosen twice as often as its neighbours.
 */
export function candidatesOf(
  mesh: Mesh,
  service: ServiceKey,
  port: ServicePort,
  family: 'ipv4' | 'ipv6' | undefined,
): readonly Candidate[] {
  const listed = listedAddresses(mesh, service, port);
  const ready = listed.filter(({ address }) => address.ready);
  const usable =
    ready.length > 0 ? ready : listed.filter(({ address }) => address.serving && address.terminating);
  const candidates = new Map<string, Candidate>();
  for (const { address, targetPort } of usable) {
    const candidate = toCandidate(mesh, address, targetPort);
    if (candidate !== undefined) candidates.set(sortKey(candidate.endpoint), candidate);
  }
  const sorted = [...candidates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
  return ofFamily(sorted, family ?? primaryFamily(mesh, service));
}

/** The endpoint at a pod's own address. */
export function podEndpoint(mesh: Mesh, workload: Workload, address: string, port: number): Endpoint {
  const { network } = workload.key;
  const meshed = workload.meshed && !isSkipped(workload, port);
  return {
    address,
    port,
    ...(meshed ? { identity: spiffeId(mesh.settings.trustDomain, workload) } : {}),
    ...(network === mesh.settings.network ? {} : { network }),
    ...(workload.zone === undefined ? {} : { zone: workload.zone }),
    opaque: meshed && workload.opaquePorts.includes(port),
    ...(workload.weight === undefined ? {} : { weight: workload.weight }),
  };
}

/** The proxy does not capture the port: the user said so, or it is the proxy's own. */
export function isSkipped(workload: Workload, port: number): boolean {
  return workload.skipInboundPorts.includes(port) || OWN_PORTS.includes(port);
}

interface Listed {
  readonly address: EndpointAddress;
  readonly targetPort: number;
}

function listedAddresses(mesh: Mesh, service: ServiceKey, port: ServicePort): readonly Listed[] {
  return mesh.endpointSetsOf(service).flatMap((set) => {
    const target = set.ports.find(
      (candidate) => candidate.name === port.name && candidate.protocol === port.protocol,
    );
    return target === undefined ? [] : set.addresses.map((address) => ({ address, targetPort: target.port }));
  });
}

/**
 * None while the pod that the address names is unknown: without it, nobody can say whether it is meshed. An address that
 * somebody wrote down by hand names no pod, and may be a pod's all the same.
 */
function toCandidate(mesh: Mesh, listed: EndpointAddress, port: number): Candidate | undefined {
  const address = canonicalIp(listed.address);
  if (address === undefined) return undefined;
  const hinted = listed.forZone === undefined ? {} : { zone: listed.forZone };
  const workload = listed.pod === undefined ? mesh.workloadAt(address) : mesh.workloads.get(listed.pod);
  if (workload === undefined) {
    return listed.pod === undefined
      ? foreignCandidate(address, port, listed.forZone ?? listed.zone)
      : undefined;
  }
  const endpoint = { ...podEndpoint(mesh, workload, address, port), ...hinted };
  return { endpoint, labels: workload.labels, bytesOnly: workload.opaquePorts.includes(port) };
}

/** An address that is no pod of the mesh: no proxy. */
function foreignCandidate(address: string, port: number, zone: string | undefined): Candidate {
  const endpoint = { address, port, ...(zone === undefined ? {} : { zone }), opaque: false };
  return { endpoint, labels: {}, bytesOnly: false };
}

function sortKey({ address, port }: Endpoint): string {
  return `${ipFamily(address)} ${address} ${port}`;
}

function primaryFamily(mesh: Mesh, service: ServiceKey): 'ipv4' | 'ipv6' {
  return ipFamily(mesh.services.get(service)?.clusterIPs[0] ?? '');
}

function ofFamily(candidates: readonly Candidate[], family: 'ipv4' | 'ipv6'): readonly Candidate[] {
  const preferred = candidates.filter(({ endpoint }) => ipFamily(endpoint.address) === family);
  return preferred.length > 0 ? preferred : candidates;
}
