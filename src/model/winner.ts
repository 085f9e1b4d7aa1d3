import type { ServiceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type { Policy } from './policy.js';

/** A part of a Service that policies compete for: one port, or (without one) every port no other policy names. */
export interface Section {
  readonly service: ServiceKey;
  readonly port?: number;
}

/**
 * The policy of a namespace that acts on a port. A policy that names the port is more specific than one that names
 * the Service only; of equals the oldest wins whole, then the first by name.
 */
export function winnerOn(
  mesh: Mesh,
  namespace: string,
  service: ServiceKey,
  port: number,
): Policy | undefined {
  return contender(mesh, namespace, { service, port }) ?? contender(mesh, namespace, { service });
}

/** The policy that wins a section over all others of its namespace. */
export function contender(mesh: Mesh, namespace: string, section: Section): Policy | undefined {
  return mesh
    .policiesOn(section.service)
    .filter((policy) => policy.ref.namespace === namespace && names(policy, section))
    .sort(byAge)[0];
}

function names(policy: Policy, section: Section): boolean {
  return policy.targets.some((target) => target.service === section.service && target.port === section.port);
}

function byAge(a: Policy, b: Policy): number {
  return compare(a.ref.creationTimestamp, b.ref.creationTimestamp) || compare(a.ref.name, b.ref.name);
}

/** Order of texts by their code units, as Kubernetes sorts. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
