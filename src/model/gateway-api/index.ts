/** Routes of Gateway API in terms of the mesh: what they say, how they merge, and what is wrong with them. */

export { actingAs, attachedTo } from './attached.js';
export type { BackendPolicy, BackendTarget } from './backend-policy.js';
export { actingOn, judgeBackendPolicy, type TargetVerdict } from './judge-backend-policy.js';
export { judgeRoute, type ParentVerdict } from './judge-route.js';
export { mergeRoutes, olderFirst } from './merge.js';
export { routeName } from './mesh-route.js';
export type { MeshRoute, RouteKind, RouteParent, RouteProblem, RouteRule } from './mesh-route.js';
export { routeSetOn } from './route-set.js';
export { toBackendPolicy } from './to-backend-policy.js';
export { toMeshRoute } from './to-mesh-route.js';
