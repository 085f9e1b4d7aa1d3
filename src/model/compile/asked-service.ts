import type { AskedService, ServiceToAsk } from '../words/asked-service.js';
import { canonicalIp } from '../words/ip.js';
import { type ServiceKey, serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import { followService, notPermitted } from './backend-ref.js';

/** A port of a Service that leads to the port of a pod. */
export interface FrontPort {
  readonly service: ServiceKey;
  readonly port: number;
}

/** Why nobody can be asked. */
export interface AskProblem {
  readonly reason: string;
  /** Its namespace has not permitted the reference. */
  readonly forbidden: boolean;
}

/** Whom pods ask on behalf of Services of `namespace`, or why nobody can be asked. */
export function askedService(
  mesh: Mesh,
  service: ServiceToAsk,
  namespace: string,
): AskedService | AskProblem {
  const forbidden = notPermitted(mesh, service, namespace);
  if (forbidden !== undefined) return { reason: forbidden, forbidden: true };
  return reachedService(mesh, service);
}

/** How pods reach a port of a Service, whoever says that they do, or why they cannot. */
export function reachedService(
  mesh: Mesh,
  service: Pick<ServiceToAsk, 'namespace' | 'name' | 'port'>,
): AskedService | AskProblem {
  const key = keyOf(service);
  const { invalid } = followService(mesh, key, service.port);
  if (invalid !== undefined) return { reason: invalid, forbidden: false };
  const address = canonicalIp(mesh.services.get(key)?.clusterIPs[0] ?? '');
  if (address !== undefined) return { service: key, address, port: service.port };
  return {
    reason: `Service ${key} has no cluster IP, by which it would be asked; set clusterIP`,
    forbidden: false,
  };
}

/** Whether nobody can be asked. */
export function isProblem(asked: AskedService | AskProblem): asked is AskProblem {
  return 'reason' in asked;
}

/** Whether pods behind these ports are asked themselves: they would be asked about the question, and so on. */
export function isAmong(service: ServiceToAsk, fronts: readonly FrontPort[]): boolean {
  const key = keyOf(service);
  return fronts.some((front) => front.service === key && front.port === service.port);
}

/** The Service itself. */
export function keyOf({ namespace, name }: Pick<ServiceToAsk, 'namespace' | 'name'>): ServiceKey {
  return serviceKey(namespace, name);
}
