import { type ServiceKey, namespaceOf } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { NamespaceTarget, Policy, ServiceTarget } from '../words/policy.js';

/** What policies compete for: one port of a target, or (without one) every port of it that no other policy names. */
export type Section = Omit<ServiceTarget, 'field'> | Omit<NamespaceTarget, 'field'>;

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

/** The policy of a namespace that acts where none names the Service: one whose target is the Service's namespace. */
export function defaultOn(
  mesh: Mesh,
  namespace: string,
  service: ServiceKey,
  port: number,
): Policy | undefined {
  const everyServiceOf = namespaceOf(service);
  return (
    contender(mesh, namespace, { everyServiceOf, port }) ?? contender(mesh, namespace, { everyServiceOf })
  );
}

/** The policy that wins a section over all others of its namespace. */
export function contender(mesh: Mesh, namespace: string, section: Section): Policy | undefined {
  const rivals =
    section.service === undefined
      ? mesh.policiesOnNamespace(section.everyServiceOf)
      : mesh.policiesOn(section.service);
  return rivals
    .filter((policy) => policy.ref.namespace === namespace && names(policy, section))
    .sort(byAge)[0];
}

function names(policy: Policy, section: Section): boolean {
  return policy.targets.some(
    (target) =>
      target.service === section.service &&
      target.everyServiceOf === section.everyServiceOf &&
      target.port === section.port,
  );
}

function byAge(a: Policy, b: Policy): number {
  return compare(a.ref.creationTimestamp, b.ref.creationTimestamp) || compare(a.ref.name, b.ref.name);
}

/** Order of texts by their code units, as Kubernetes sorts. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
