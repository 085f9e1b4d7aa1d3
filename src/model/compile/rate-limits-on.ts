import { type DirtyKey, type ServiceKey, dirtyService, dirtySpec, namespaceOf } from '../words/keys.js';
import type { Feature } from './features.js';
import type { Protocol } from '../words/destination.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy, PolicyRef, PolicyTarget } from '../words/policy.js';
import type { PodRateLimit, PodSharedLimits, RateLimit } from '../words/rate-limit.js';
import { type FrontPort, isAmong, keyOf } from './asked-service.js';
import { type LimitOfPod, sharedLimits } from './shared-limits.js';
import { defaultOn, winnerOn } from './winner.js';

/** The limits on requests to one port of a pod. */
export interface RateLimits {
  readonly limits: readonly PodRateLimit[];
  /** Those that a service counts, a call each. */
  readonly shared: readonly PodSharedLimits[];
  /** The policies that set them. */
  readonly sources: readonly PolicyRef[];
  /** Ask again when one of these gets dirty. */
  readonly depends: readonly DirtyKey[];
}

/**
 * The limits of every Service in front of a port that speaks `protocol`, since a request does not say by which of them it came. The policy
 * of a port is the one that acts there for callers in the Service's own namespace. One that acts for several Services
 * of the port counts once, with the pods of the first.
 *
 * A limited port is read request by request. So bytes are never limited, and a port that does not declare what it speaks
 * only by a policy that names it: one on the whole Service would cut off whatever else is there.
 */
export function rateLimitsOn(mesh: Mesh, protocol: Protocol, fronts: readonly FrontPort[]): RateLimits {
  const acting = new Map<string, { readonly policy: Policy; readonly service: ServiceKey }>();
  for (const { service, port } of fronts) {
    const policy = policyOn(mesh, service, port);
    if (policy === undefined || taking(policy).length === 0 || acting.has(policy.ref.uid)) continue;
    if (!isLimited(protocol, policy.targets, port)) continue;
    acting.set(policy.ref.uid, { policy, service });
  }
  const all = [...acting.values()];
  const divided = all.filter(({ policy }) => taking(policy).some(isDivided));
  const limits = all
    .flatMap(({ policy, service }) =>
      limitsOf(mesh, { ref: policy.ref, rateLimits: taking(policy) }, service),
    )
    .filter(({ counted: by }) => by === undefined || !isAmong(by.service, fronts));
  const counted = limits.flatMap(({ counted: by }) => by ?? []);
  return {
    limits: limits.flatMap(({ limit, counted: by }) => (by === undefined ? [limit] : [])),
    shared: sharedLimits(mesh, limits),
    sources: all.map(({ policy }) => policy.ref),
    depends: [
      ...fronts.map(({ service }) => dirtySpec(service)),
      ...divided.map(({ service }) => dirtyService(service)),
      ...counted.map(({ service }) => dirtySpec(keyOf(service))),
    ],
  };
}

/** The limits of a policy on requests that pods take. */
export function taking({ rateLimits = [] }: Pick<Policy, 'rateLimits'>): readonly RateLimit[] {
  return rateLimits.filter(({ to }) => to === undefined);
}

/** What these limits ask of a proxy. */
export function limitFeatures(limits: readonly PodRateLimit[]): readonly Feature[] {
  return [
    ...(limits.length > 0 ? (['workload.rate-limits'] as const) : []),
    ...(limits.some(({ cost }) => cost !== undefined) ? (['workload.rate-limits.cost'] as const) : []),
    ...(limits.some(({ cost }) => cost?.field !== undefined)
      ? (['workload.rate-limits.cost.field'] as const)
      : []),
    ...(limits.some(({ matches }) => matches !== undefined) ? (['workload.rate-limits.match'] as const) : []),
  ];
}

/** Whether limits of a policy with these targets apply to a port that speaks `protocol`. */
export function isLimited(protocol: Protocol, targets: readonly PolicyTarget[], port: number): boolean {
  if (protocol === 'unknown') return targets.some((target) => target.port === port);
  return protocol !== 'opaque';
}

/** The policy that says what requests to a port of a Service meet where they arrive: one of the Service's own namespace. */
export function policyOn(mesh: Mesh, service: ServiceKey, port: number): Policy | undefined {
  const own = namespaceOf(service);
  return winnerOn(mesh, own, service, port) ?? defaultOn(mesh, own, service, port);
}

/** Whether the number of pods matters: always, or while the service that counts does not answer. */
export function isDivided({ scope, counted }: RateLimit): boolean {
  return scope === 'Service' || counted?.onFailure === 'podShare';
}

/** These limits of a policy as a pod of a Service has them. */
export function limitsOf(
  mesh: Mesh,
  { ref, rateLimits = [] }: Pick<Policy, 'ref' | 'rateLimits'>,
  service: ServiceKey,
): LimitOfPod[] {
  const pods = Math.max(1, readyPods(mesh, service));
  return rateLimits.map((given) => {
    const { scope: _scope, to: _to, counted, ...limit } = given;
    return {
      limit: { ...limit, policy: `${ref.namespace}/${ref.name}`, pods: isDivided(given) ? pods : 1 },
      ...(counted === undefined ? {} : { counted }),
      namespace: namespaceOf(service),
    };
  });
}

/** Pods that requests to the Service are balanced over. */
function readyPods(mesh: Mesh, service: ServiceKey): number {
  const ready = mesh
    .endpointSetsOf(service)
    .flatMap(({ addresses }) => addresses.filter((address) => address.ready));
  return new Set(ready.map(({ pod, address }) => pod ?? address)).size;
}
