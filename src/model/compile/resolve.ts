import type { DestinationRef } from '../words/destination.js';
import { ownEndpointSets } from './endpoints.js';
import { canonicalIp, ipFamily } from '../words/ip.js';
import {
  type DirtyKey,
  type ServiceKey,
  dirtyAddress,
  dirtyService,
  dirtyWorkload,
  serviceKey,
} from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Service } from '../words/service.js';
import type { Workload } from '../words/workload.js';

/**
 * What a subscription of a proxy names, or undefined when the mesh does not know it:
 * - `ip/10.96.0.5:8080`, `ip/[fd00:96::5]:8080`: the address a pod dialled.
 * - `endpoint/10.244.0.7:8080`, of a pod in ingress mode: the Service behind the endpoint, if there is just one; else
 *   the pod.
 * - `endpoint/10.244.0.7:8080/reviews.shop.svc.cluster.local`, the same with the host of a request, also in its short
 *   forms `reviews.shop` and `reviews.shop.svc`: the Service of that name, if the endpoint is one of its own. A host
 *   comes from outside, so that it may choose among what the ingress chose already, and nothing else.
 */
export function resolve(mesh: Mesh, subscription: string): DestinationRef | undefined {
  const asked = parse(subscription);
  if (asked === undefined) return undefined;
  const { kind, ip, port, host } = asked;
  if (kind === 'endpoint') return resolveEndpoint(mesh, ip, port, host);
  return host === undefined ? resolveAddress(mesh, ip, port) : undefined;
}

/** Resolve the subscription again when one of these gets dirty; `ref` is what it resolved to. */
export function resolvedThrough(
  mesh: Mesh,
  subscription: string,
  ref: DestinationRef | undefined,
): readonly DirtyKey[] {
  const asked = parse(subscription);
  if (asked === undefined) return [];
  const behind = asked.kind === 'endpoint' ? mesh.workloadAt(asked.ip) : undefined;
  return [
    dirtyAddress(asked.ip),
    ...(behind === undefined ? [] : [dirtyWorkload(behind.uid)]),
    ...(ref === undefined ? [] : [ref.kind === 'pod' ? dirtyWorkload(ref.uid) : dirtyService(ref.service)]),
  ];
}

interface Asked {
  readonly kind: 'ip' | 'endpoint';
  /** In canonical form. */
  readonly ip: string;
  readonly port: number;
  readonly host: string | undefined;
}

function parse(subscription: string): Asked | undefined {
  const parsed = /^(ip|endpoint)\/(?:\[([^\]]+)\]|([^:[\]/]+)):(\d{1,5})(?:\/(.+))?$/.exec(subscription);
  if (parsed === null) return undefined;
  const [, kind, bracketed, plain, digits, host] = parsed;
  const ip = canonicalIp(bracketed ?? plain ?? '');
  if (ip === undefined) return undefined;
  return { kind: kind === 'endpoint' ? 'endpoint' : 'ip', ip, port: Number(digits), host };
}

function resolveAddress(mesh: Mesh, ip: string, port: number): DestinationRef | undefined {
  const found = mesh.serviceAt(ip, port);
  if (found !== undefined) return serviceRef(found.service, port, ip);
  const workload = mesh.workloadAt(ip);
  return workload === undefined ? undefined : { kind: 'pod', uid: workload.uid, address: ip, port };
}

function serviceRef(service: Service, port: number, dialled: string): DestinationRef {
  const key = serviceKey(service.namespace, service.name);
  const first = canonicalIp(service.clusterIPs[0] ?? '');
  const family = ipFamily(dialled);
  if (first === undefined || ipFamily(first) === family) return { kind: 'service', service: key, port };
  return { kind: 'service', service: key, port, family };
}

function resolveEndpoint(
  mesh: Mesh,
  ip: string,
  port: number,
  host: string | undefined,
): DestinationRef | undefined {
  const dialled = resolveAddress(mesh, ip, port);
  const workload = mesh.workloadAt(ip);
  if (dialled?.kind !== 'pod' || workload === undefined) return dialled;
  const behind = servicesBehind(mesh, workload, port);
  const named = host === undefined ? undefined : serviceOfHost(mesh, host);
  const chosen =
    behind.find(({ service }) => service === named) ?? (behind.length === 1 ? behind[0] : undefined);
  const service = chosen === undefined ? undefined : mesh.services.get(chosen.service);
  return chosen === undefined || service === undefined ? dialled : serviceRef(service, chosen.port, ip);
}

/** The ports of Services that have a port of a pod as endpoint, each Service once. */
function servicesBehind(
  mesh: Mesh,
  workload: Workload,
  port: number,
): readonly { readonly service: ServiceKey; readonly port: number }[] {
  const found = new Map<ServiceKey, number>();
  for (const set of ownEndpointSets(mesh, workload)) {
    for (const target of set.ports) {
      const servicePort = mesh.services
        .get(set.service)
        ?.ports.find(({ name, protocol }) => name === target.name && protocol === 'TCP');
      if (servicePort === undefined || target.port !== port || found.has(set.service)) continue;
      found.set(set.service, servicePort.port);
    }
  }
  return [...found].map(([service, servicePort]) => ({ service, port: servicePort }));
}

function serviceOfHost(mesh: Mesh, host: string): string | undefined {
  const name = host.toLowerCase().replace(/\.$/, '');
  const suffix = `.svc.${mesh.settings.clusterDomain}`;
  const short = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name.replace(/\.svc$/, '');
  const [service, namespace, ...rest] = short.split('.');
  if (service === undefined || namespace === undefined || rest.length > 0) return undefined;
  return serviceKey(namespace, service);
}
