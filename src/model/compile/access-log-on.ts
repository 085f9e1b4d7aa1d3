import type { Mesh } from '../tables/mesh.js';
import type { LogChoice, PodAccessLog } from '../words/access-log.js';
import type { DirtyKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import type { FrontPort } from './asked-service.js';
import { collectorOf } from './collector-of.js';
import { policyOn } from './rate-limits-on.js';

/** What pods log of requests, if the mesh wants any logged or a policy may. */
export function accessLogOf(mesh: Mesh): {
  readonly accessLog?: PodAccessLog;
  readonly depends: readonly DirtyKey[];
} {
  const { accessLog } = mesh.settings;
  if (accessLog === undefined) return { depends: [] };
  const { collector, ...rest } = accessLog;
  if (collector === undefined) return { accessLog: rest, depends: [] };
  const told = collectorOf(mesh, collector);
  return { accessLog: { ...rest, collector: told.collector }, depends: told.depends };
}

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
