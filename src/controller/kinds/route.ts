import { Resources, type Resource, type RouteObject } from '../../kube/index.js';
import { judgeRoute, routesAbout, type MeshRoute, type RouteKind } from '../../model/index.js';
import { readRoute } from '../collect/index.js';
import { routeParents } from '../route-status.js';
import { sharedStatus } from './shared-status.js';
import type { KindRow } from './kind.js';
import { GATEWAY_API, OUR_ENTRIES } from './reasons.js';

export const httpRoute = routeKind('HTTPRoute', Resources.httpRoute);
export const grpcRoute = routeKind('GRPCRoute', Resources.grpcRoute);
export const tlsRoute = routeKind('TLSRoute', Resources.tlsRoute);
export const tcpRoute = routeKind('TCPRoute', Resources.tcpRoute);

function routeKind(kind: RouteKind, resource: Resource<RouteObject>): KindRow<RouteObject, MeshRoute> {
  return {
    resource,
    installedBy: 'others',
    access: { read: GATEWAY_API, status: OUR_ENTRIES },
    feed: {
      table: ({ routes }) => routes,
      key: 'uid',
      written: true,
      read: (object) => ({ value: readRoute(kind, object) }),
    },
    status: sharedStatus({
      queue: 'route-status',
      table: ({ routes }) => routes,
      about: (mesh, dirty) => routesAbout(mesh, dirty).filter((ref) => ref.kind === kind),
      status: (object, route, { mesh, now }) => {
        const parents = routeParents(object, judgeRoute(mesh, route), now);
        return parents === undefined ? undefined : { parents };
      },
    }),
  };
}
