import type { Mesh } from '../tables/mesh.js';
import type { LogChoice } from '../words/access-log.js';
import type { PolicyRef } from '../words/policy.js';
import type { FrontPort } from './asked-service.js';
import { policyOn } from './rate-limits-on.js';

/** Which requests to a port of a pod are logged, as the policy of the first Service in front of it says that says so. */
export function accessLogOn(
  mesh: Mesh,
  fronts: readonly FrontPort[],
): { readonly choice: LogChoice; readonly source: PolicyRef } | undefined {
  for (const { service, port } of fronts) {
    const policy = policyOn(mesh, service, port);
    if (policy?.accessLog !== undefined) return { choice: policy.accessLog, source: policy.ref };
  }
  return undefined;
}
