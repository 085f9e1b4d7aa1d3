import { ownEndpointSets } from './endpoints.js';
import type { Feature } from './features.js';
import { isDivided, limitsOf, policyOn } from './rate-limits-on.js';
import { type DirtyKey, type ServiceKey, dirtyService, dirtySpec } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy, PolicyRef } from '../words/policy.js';
import type { PodCallerLimit, RateLimit } from '../words/rate-limit.js';
import type { Workload } from '../words/workload.js';

/** The limits on what a pod sends. */
export interface CallerLimits {
  readonly limits: readonly PodCallerLimit[];
  /** The policies that set them. */
  readonly sources: readonly PolicyRef[];
  /** Ask again when one of these gets dirty. */
  readonly depends: readonly DirtyKey[];
}

/**
 * The limits of every Service that has the pod, whatever its ports: a request that a pod sends does not say for which of them. One that
 * acts for several Services of the pod counts once, with the pods of the first.
 */
export function callerLimitsOn(mesh: Mesh, workload: Workload): CallerLimits {
  const services = [...new Set(ownEndpointSets(mesh, workload).map(({ service }) => service))].sort();
  const acting = new Map<string, { readonly policy: Policy; readonly service: ServiceKey }>();
  for (const service of services) {
    for (const policy of policiesOf(mesh, service)) {
      const { uid } = policy.ref;
      if (sending(policy).length > 0 && !acting.has(uid)) acting.set(uid, { policy, service });
    }
  }
  const all = [...acting.values()];
  const divided = all.filter(({ policy }) => sending(policy).some(isDivided));
  return {
    limits: all.flatMap(({ policy, service }) =>
      sending(policy).flatMap((given) =>
        limitsOf(mesh, { ref: policy.ref, rateLimits: [given] }, service).map(({ limit }) => ({
          to: given.to,
          limit,
        })),
      ),
    ),
    sources: all.map(({ policy }) => policy.ref),
    depends: [...services.map(dirtySpec), ...divided.map(({ service }) => dirtyService(service))],
  };
}

/** What these limits ask of a proxy, beside what limits do anyway. */
export function callerFeatures({ limits }: CallerLimits): readonly Feature[] {
  return limits.length === 0 ? [] : ['workload.rate-limits.caller'];
}

/** The limits of a policy on requests that pods send. */
export function sending({
  rateLimits = [],
}: Pick<Policy, 'rateLimits'>): readonly (RateLimit & Required<Pick<RateLimit, 'to'>>)[] {
  return rateLimits.flatMap((limit) => (limit.to === undefined ? [] : [{ ...limit, to: limit.to }]));
}

/** Those that act on any port of a Service, or on one that has none. */
function policiesOf(mesh: Mesh, service: ServiceKey): readonly Policy[] {
  const ports = mesh.services.get(service)?.ports.map(({ port }) => port) ?? [];
  return (ports.length === 0 ? [0] : ports).flatMap((port) => policyOn(mesh, service, port) ?? []);
}
