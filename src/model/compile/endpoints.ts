import { names } from '../../base/index.js';
import type { Endpoint } from '../words/destination.js';
import { canonicalIp, ipFamily } from '../words/ip.js';
import type { ServiceKey } from '../words/keys.js';
import { modeOfPort, mtlsOn } from './mtls-on.js';
import type { Mesh } from '../tables/mesh.js';
import type { EndpointAddress, EndpointSet, NodePolicy, ServicePort } from '../words/service.js';
import { spiffeId } from '../words/spiffe.js';
import type { Workload } from '../words/workload.js';
import { isXBackendKey } from '../words/x-backend.js';

const OWN_PORTS: readonly number[] = [names.ProxyPort.probe, names.ProxyPort.metrics];

/** An endpoint that may be chosen, with what subsets ask about it. */
export interface Candidate {
  readonly endpoint: Endpoint;
  readonly labels: Readonly<Record<string, string>>;
  /** The pod declares its port as bytes only, meshed or not. */
  readonly bytesOnly: boolean;
  /** Why nothing may be sent there; see `refusalOf`. */
  readonly refusal?: string;
  /** The pod there; absent where it is none of the mesh. */
  readonly workload?: Workload;
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
  const { node } = mesh.services.get(service) ?? {};
  const listed = listedAddresses(mesh, service, port);
  const candidates = new Map<string, Candidate>();
  for (const { address, targetPort } of node === 'only' ? eachNode(listed) : usableOf(listed)) {
    const candidate = toCandidate(mesh, address, { port: targetPort, node });
    if (candidate !== undefined) candidates.set(sortKey(candidate.endpoint), candidate);
  }
  const sorted = [...candidates].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
  return ofFamily(sorted, family ?? primaryFamily(mesh, service));
}

/** The endpoint at a pod's own address. It has no identity where nobody proves one: callers use plain text there. */
export function podEndpoint(mesh: Mesh, workload: Workload, address: string, port: number): Endpoint {
  const { network } = workload.key;
  const meshed =
    workload.meshed && !isSkipped(workload, port) && modeOfPort(mtlsOn(mesh, workload), port) !== 'disabled';
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

/**
 * Why callers must not send to a port of a pod: what is Strict gets nothing in plain text, and a port that the pod's proxy does
 * not capture takes nothing else. What the proxy itself serves there, as its metrics, is no application's.
 */
export function refusalOf(mesh: Mesh, workload: Workload, port: number): string | undefined {
  if (!workload.meshed || !workload.skipInboundPorts.includes(port)) return undefined;
  if (modeOfPort(mtlsOn(mesh, workload), port) !== 'strict') return undefined;
  const { namespace, name } = workload.key;
  return `port ${port} of pod ${namespace}/${name} bypasses its proxy (${names.Annotation.skipInboundPorts}), and it is Strict; recreate the pod without the annotation`;
}

/** The proxy does not capture the port: the user said so, or it is the proxy's own. */
export function isSkipped(workload: Workload, port: number): boolean {
  return workload.skipInboundPorts.includes(port) || OWN_PORTS.includes(port);
}

/** Slices that list a pod, of its own namespace: who writes them elsewhere must not decide how the pod is read. */
export function ownEndpointSets(mesh: Mesh, { uid, key }: Workload): readonly EndpointSet[] {
  return mesh.endpointSetsWith(uid).filter(({ namespace }) => namespace === key.namespace);
}

function usableOf(listed: readonly Listed[]): readonly Listed[] {
  const ready = listed.filter(({ address }) => address.ready);
  return ready.length > 0 ? ready : listed.filter(({ address }) => address.serving && address.terminating);
}

/** The same for each node by itself, where its callers get no others. */
function eachNode(listed: readonly Listed[]): readonly Listed[] {
  const nodes = Map.groupBy(listed, ({ address }) => address.node);
  return [...nodes.values()].flatMap(usableOf);
}

interface Listed {
  readonly address: EndpointAddress;
  readonly targetPort: number;
}

function listedAddresses(mesh: Mesh, service: ServiceKey, port: ServicePort): readonly Listed[] {
  if (isXBackendKey(service)) return selectedAddresses(mesh, service, port);
  return mesh.endpointSetsOf(service).flatMap((set) => {
    const target = set.ports.find(
      (candidate) => candidate.name === port.name && candidate.protocol === port.protocol,
    );
    return target === undefined ? [] : set.addresses.map((address) => ({ address, targetPort: target.port }));
  });
}

/** An XBackend has no EndpointSlices: its pods say for themselves whether they are ready. */
function selectedAddresses(mesh: Mesh, key: ServiceKey, { port }: ServicePort): readonly Listed[] {
  const backend = mesh.xBackendOf(key);
  if (backend === undefined) return [];
  return mesh.workloadsOf(backend).flatMap(({ uid, ips, ready }) =>
    ips.map((address) => ({
      address: { address, ready, serving: ready, terminating: false, pod: uid },
      targetPort: port,
    })),
  );
}

/**
 * None while the pod that the address names is unknown: without it, nobody can say whether it is meshed. An address that
 * somebody wrote down by hand names no pod, and may be a pod's all the same.
 */
function toCandidate(
  mesh: Mesh,
  listed: EndpointAddress,
  { port, node }: { readonly port: number; readonly node: NodePolicy | undefined },
): Candidate | undefined {
  const address = canonicalIp(listed.address);
  if (address === undefined) return undefined;
  const hinted = listed.forZone === undefined ? {} : { zone: listed.forZone };
  const workload = podBehind(mesh, listed, address);
  const served = nodeOf(listed, workload, node);
  if (workload === undefined) {
    return listed.pod === undefined
      ? foreignCandidate({ address, port, zone: listed.forZone ?? listed.zone, node: served })
      : undefined;
  }
  const endpoint = {
    ...podEndpoint(mesh, workload, address, port),
    ...hinted,
    ...(served === undefined ? {} : { node: served }),
  };
  const refusal = refusalOf(mesh, workload, port);
  return {
    endpoint,
    labels: workload.labels,
    bytesOnly: workload.opaquePorts.includes(port),
    workload,
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** Whoever owns the address, whatever a slice says that somebody wrote: else it could turn off what callers demand of it. */
function podBehind(mesh: Mesh, { pod }: EndpointAddress, address: string): Workload | undefined {
  const owner = mesh.workloadAt(address);
  if (pod === undefined) return owner;
  const named = mesh.workloads.get(pod);
  return named !== undefined && owner !== undefined && !hasAddress(named, address) ? owner : named;
}

function hasAddress({ ips }: Workload, address: string): boolean {
  return ips.some((ip) => canonicalIp(ip) === address);
}

/** The node that an endpoint counts for, where its Service asks. A hint is about what is preferred, as in kube-proxy. */
function nodeOf(
  { node, forNode }: EndpointAddress,
  workload: Workload | undefined,
  asked: NodePolicy | undefined,
): string | undefined {
  if (asked === undefined) return undefined;
  return (asked === 'prefer' ? forNode : undefined) ?? node ?? workload?.node;
}

interface ForeignAddress {
  readonly address: string;
  readonly port: number;
  readonly zone: string | undefined;
  readonly node: string | undefined;
}

/** An address that is no pod of the mesh: no proxy. */
function foreignCandidate({ address, port, zone, node }: ForeignAddress): Candidate {
  const endpoint = {
    address,
    port,
    ...(zone === undefined ? {} : { zone }),
    ...(node === undefined ? {} : { node }),
    opaque: false,
  };
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
