import { type DirtyKey, type ServiceKey, dirtyService, dirtySpec, namespaceOf } from '../words/keys.js';
import type { Feature } from './features.js';
import type { Protocol } from '../words/destination.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy, PolicyRef, PolicyTarget } from '../words/policy.js';
import type { PodRateLimit } from '../words/rate-limit.js';
import { defaultOn, winnerOn } from './winner.js';

/** The limits on requests to one port of a pod. */
export interface RateLimits {
  readonly limits: readonly PodRateLimit[];
  /** The policies that set them. */
  readonly sources: readonly PolicyRef[];
  /** Ask again when one of these gets dirty. */
  readonly depends: readonly DirtyKey[];
}

/** A port of a Service that leads to the port of a pod. */
export interface FrontPort {
  readonly service: ServiceKey;
  readonly port: number;
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
    if (policy?.rateLimits === undefined || acting.has(policy.ref.uid)) continue;
    if (!isLimited(protocol, policy.targets, port)) continue;
    acting.set(policy.ref.uid, { policy, service });
  }
  const all = [...acting.values()];
  const shared = all.filter(({ policy }) => policy.rateLimits?.some(({ scope }) => scope === 'Service'));
  return {
    limits: all.flatMap(({ policy, service }) => limitsOf(mesh, policy, service)),
    sources: all.map(({ policy }) => policy.ref),
    depends: [
      ...fronts.map(({ service }) => dirtySpec(service)),
      ...shared.map(({ service }) => dirtyService(service)),
    ],
  };
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

function limitsOf(mesh: Mesh, { ref, rateLimits = [] }: Policy, service: ServiceKey): PodRateLimit[] {
  const pods = Math.max(1, readyPods(mesh, service));
  return rateLimits.map(({ scope, ...limit }) => ({
    ...limit,
    policy: `${ref.namespace}/${ref.name}`,
    pods: scope === 'Pod' ? 1 : pods,
  }));
}

/** Pods that requests to the Service are balanced over. */
function readyPods(mesh: Mesh, service: ServiceKey): number {
  const ready = mesh
    .endpointSetsOf(service)
    .flatMap(({ addresses }) => addresses.filter((address) => address.ready));
  return new Set(ready.map(({ pod, address }) => pod ?? address)).size;
}
