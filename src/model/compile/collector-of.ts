import type { Mesh } from '../tables/mesh.js';
import type { Collector, PodCollector } from '../words/collector.js';
import { type DirtyKey, dirtySpec, serviceKey } from '../words/keys.js';
import { isProblem, reachedService } from './asked-service.js';

/** How pods reach a collector; without a way to it they are told so. */
export function collectorOf(
  mesh: Mesh,
  { service, protocol }: Collector,
): { readonly collector: PodCollector; readonly depends: readonly DirtyKey[] } {
  const asks = reachedService(mesh, service);
  return {
    collector: { ...(isProblem(asks) ? {} : { asks }), protocol },
    depends: [dirtySpec(serviceKey(service.namespace, service.name))],
  };
}
