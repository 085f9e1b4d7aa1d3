/** What a user types: kinds, their schemas and what is wrong with an object of one. */

export type { Kind } from './schema/kind.js';
export { durationMs } from './schema/duration.js';
export { regexProblem } from './schema/regex.js';
export { isOrigin } from './v1alpha1/cors.js';
export { headerChangeProblem } from './v1alpha1/header-changes.js';
export { KINDS } from './v1alpha1/kinds.js';
export { type TrafficPolicy, trafficPolicy } from './v1alpha1/traffic-policy.js';
export { type MeshConfig, meshConfig } from './v1alpha1/mesh-config.js';
export { UNSUPPORTED, type Unsupported } from './v1alpha1/unsupported.js';
export { findUnsupported, type NotSupported } from './v1alpha1/not-supported.js';
export {
  type BackendRef,
  type BackendTrafficPolicy,
  type CorsFilter,
  type Filter,
  type GrpcMatch,
  type GrpcRoute,
  type GrpcRule,
  type HeaderModifier,
  type HttpMatch,
  type HttpRetry,
  type HttpRoute,
  type HttpRule,
  type NamedCondition,
  type ObjectRef,
  type ParentRef,
  type PathModifier,
  type RequestRedirect,
  type RouteMetadata,
  type SessionPersistence,
  backendTrafficPolicy,
  grpcRoute,
  httpRoute,
} from './gateway-api/index.js';
export { analyze, violations, type Finding, type Found } from './analyze.js';
