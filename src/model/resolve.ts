import type { DestinationRef } from './destination.js';
import { canonicalIp, ipFamily } from './ip.js';
import { serviceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type { Service } from './service.js';

/**
 * What a subscription of a proxy names, or undefined when the mesh does not know it. Subscriptions are
 * `ip/10.96.0.5:8080`, `ip/[fd00:96::5]:8080` and `host/reviews.shop.svc.cluster.local:8080`, the last also in its
 * short forms `reviews.shop` and `reviews.shop.svc`.
 */
export function resolve(mesh: Mesh, subscription: string): DestinationRef | undefined {
  const parsed = /^(ip|host)\/(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(subscription);
  if (parsed === null) return undefined;
  const [, kind, bracketed, plain, digits] = parsed;
  const [name, port] = [bracketed ?? plain ?? '', Number(digits)];
  const ip = canonicalIp(name);
  if (ip !== undefined) return resolveAddress(mesh, ip, port);
  return kind === 'host' ? resolveHost(mesh, name, port) : undefined;
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

function resolveHost(mesh: Mesh, host: string, port: number): DestinationRef | undefined {
  const key = serviceOfHost(mesh, host);
  const service = key === undefined ? undefined : mesh.services.get(key);
  if (key === undefined || service === undefined || service.type === 'ExternalName') return undefined;
  const known = service.ports.some((candidate) => candidate.port === port && candidate.protocol === 'TCP');
  return known ? { kind: 'service', service: key, port } : undefined;
}

function serviceOfHost(mesh: Mesh, host: string): string | undefined {
  const name = host.toLowerCase().replace(/\.$/, '');
  const suffix = `.svc.${mesh.settings.clusterDomain}`;
  const short = name.endsWith(suffix) ? name.slice(0, -suffix.length) : name.replace(/\.svc$/, '');
  const [service, namespace, ...rest] = short.split('.');
  if (service === undefined || namespace === undefined || rest.length > 0) return undefined;
  return serviceKey(namespace, service);
}
