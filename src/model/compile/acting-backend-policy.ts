import type { ServiceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { BackendPolicy } from '../words/backend-policy.js';
import { olderFirst } from './merge.js';

/** The policy on a Service that acts: whole, the oldest that says something, then the first by name. */
export function actingOn(mesh: Mesh, service: ServiceKey): BackendPolicy | undefined {
  return mesh.backendPoliciesOn(service).filter(saysSomething).sort(olderFirst)[0];
}

/** Whether a policy has anything to act with. */
export function saysSomething({ budget, session }: BackendPolicy): boolean {
  return budget !== undefined || session !== undefined;
}
