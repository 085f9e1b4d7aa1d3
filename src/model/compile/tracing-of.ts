import type { Mesh } from '../tables/mesh.js';
import type { DirtyKey } from '../words/keys.js';
import type { PodTracing } from '../words/tracing.js';
import type { PolicyRef } from '../words/policy.js';
import type { Portion } from '../words/route-actions.js';
import type { FrontPort } from './asked-service.js';
import { collectorOf } from './collector-of.js';
import { policyOn } from './rate-limits-on.js';

/** What pods tell of requests as traces, if the mesh wants any told. */
export function tracingOf(mesh: Mesh): {
  readonly tracing?: PodTracing;
  readonly depends: readonly DirtyKey[];
} {
  const { tracing } = mesh.settings;
  if (tracing === undefined) return { depends: [] };
  const { collector, depends } = collectorOf(mesh, tracing);
  return { tracing: { ...collector, sampling: tracing.sampling }, depends };
}

/**
 * What a policy says of the traces that begin at a port of a pod, since whoever called has no proxy: that of the first Service in
 * front of it that has one. Absent where the mesh wants no traces told.
 */
export function samplingOn(
  mesh: Mesh,
  fronts: readonly FrontPort[],
): { readonly sampling: Portion; readonly source: PolicyRef } | undefined {
  if (mesh.settings.tracing === undefined) return undefined;
  for (const { service, port } of fronts) {
    const policy = policyOn(mesh, service, port);
    if (policy?.sampling !== undefined) return { sampling: policy.sampling, source: policy.ref };
  }
  return undefined;
}
