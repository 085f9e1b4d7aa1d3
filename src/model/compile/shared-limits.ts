import type { Mesh } from '../tables/mesh.js';
import type { CountedBy, PodRateLimit, PodSharedLimits } from '../words/rate-limit.js';
import { askedService, isProblem, keyOf } from './asked-service.js';

/** A limit of a pod, and who counts it if that is not the pod. */
export interface LimitOfPod {
  readonly limit: PodRateLimit;
  readonly counted?: CountedBy;
  /** That of the Services whose requests are limited. */
  readonly namespace: string;
}

/**
 * The limits that a service counts, as the calls in which it is asked about them: one for all of the same service and domain, which
 * waits as long as the most impatient of them. What is only a dry run is asked about by itself, so that an answer which does not tell
 * limits apart refuses nothing on its account.
 */
export function sharedLimits(mesh: Mesh, limits: readonly LimitOfPod[]): readonly PodSharedLimits[] {
  const calls = new Map<string, PodSharedLimits>();
  for (const { limit, counted, namespace } of limits) {
    if (counted === undefined) continue;
    const { service, domain, timeoutMs, onFailure } = counted;
    const asked = askedService(mesh, service, namespace);
    const [key, entry] = [keyOf(service), { limit, onFailure }];
    const id = JSON.stringify([key, service.port, domain, limit.dryRun, isProblem(asked)]);
    const call = calls.get(id);
    calls.set(id, {
      service: key,
      port: service.port,
      ...(isProblem(asked) ? {} : { asks: asked }),
      domain,
      timeoutMs: Math.min(timeoutMs, call?.timeoutMs ?? timeoutMs),
      limits: [...(call?.limits ?? []), entry],
    });
  }
  return [...calls.values()];
}
