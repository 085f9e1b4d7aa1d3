import { Resources, type RouteObject } from '../kube/index.js';
import { judgeRoute } from '../model/index.js';
import type { ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';
import { routeParents } from './route-status.js';
import { type SharedStatus, type SharedStatusOptions, writeSharedStatuses } from './shared-status.js';

export interface RouteStatusOptions extends SharedStatusOptions {
  readonly view: Pick<ClusterView, 'httpRoutes' | 'grpcRoutes' | 'services'>;
  readonly collector: Collector;
}

/** Keeps our part of the status of every HTTPRoute and GRPCRoute true, as long as this replica leads. */
export function writeRouteStatuses(options: RouteStatusOptions, signal: AbortSignal): Promise<void> {
  const { view, collector } = options;
  const status = (object: RouteObject, now: number): object | undefined => {
    const route = collector.mesh.routes.get(object.metadata.uid);
    // A route that cannot be read has parents nobody knows.
    if (route?.ref.generation !== object.metadata.generation) return undefined;
    const parents = routeParents(object, judgeRoute(collector.mesh, route), now);
    return parents === undefined ? undefined : { parents };
  };
  const kinds: readonly SharedStatus<RouteObject>[] = [
    { objects: view.httpRoutes, resource: Resources.httpRoute, status },
    { objects: view.grpcRoutes, resource: Resources.grpcRoute, status },
  ];
  return writeSharedStatuses('route-status', kinds, options, signal);
}
