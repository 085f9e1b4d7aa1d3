/** The kinds of Gateway API that the mesh reads. */

export type {
  BackendRef,
  CorsFilter,
  Filter,
  HeaderModifier,
  NamedCondition,
  ObjectRef,
  ParentRef,
  PathModifier,
  RequestRedirect,
  RouteMetadata,
  SessionPersistence,
} from './parts.js';
export { type BackendTrafficPolicy, backendTrafficPolicy } from './backend-traffic-policy.js';
export { backendTlsPolicy } from './backend-tls-policy.js';
export { type ConnectionRule, tcpRoute, tlsRoute } from './connection-route.js';
export { type XBackendObject, xBackend } from './x-backend.js';
export { type GrpcMatch, type GrpcRoute, type GrpcRule, grpcRoute } from './grpc-route.js';
export { type HttpMatch, type HttpRetry, type HttpRoute, type HttpRule, httpRoute } from './http-route.js';
