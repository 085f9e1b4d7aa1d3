/** What a user types: kinds, their schemas and what is wrong with an object of one. */

export type { Kind, Unsupported } from './schema/kind.js';
export { durationMs } from './schema/duration.js';
export { regexProblem } from './schema/regex.js';
export { isOrigin } from './v1alpha1/cors.js';
export { headerChangeProblem } from './v1alpha1/header-changes.js';
export { KINDS } from './v1alpha1/kinds.js';
export { type TrafficPolicy, trafficPolicy } from './v1alpha1/traffic-policy.js';
export { type ExternalService, externalService } from './v1alpha1/external-service.js';
export { type JwtIssuer, jwtIssuer } from './v1alpha1/jwt-issuer.js';
export { type MeshConfig, meshConfig } from './v1alpha1/mesh-config.js';
export { type MeshRole, meshRole } from './v1alpha1/mesh-role.js';
export { type MeshRoleBinding, meshRoleBinding } from './v1alpha1/mesh-role-binding.js';
export { type MeshTLSPolicy, meshTlsPolicy } from './v1alpha1/mesh-tls-policy.js';
export { UNSUPPORTED } from './v1alpha1/unsupported.js';
export { findDeprecated } from './v1alpha1/deprecated.js';
export { findUnsupported, type NotSupported } from './v1alpha1/not-supported.js';
export {
  type BackendRef,
  type BackendTrafficPolicy,
  type ConnectionRule,
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
  type XBackendObject,
  backendTlsPolicy,
  backendTrafficPolicy,
  grpcRoute,
  httpRoute,
  tcpRoute,
  tlsRoute,
  xBackend,
} from './gateway-api/index.js';
export { markProblems, unknownNames, type Marks } from './marks.js';
export { nearest } from './nearest.js';
export {
  AS_KUBECTL,
  parseManifests,
  placedManifests,
  type PlacedManifest,
  type Position,
} from './manifests.js';
export { podTemplateOf, type PodTemplate } from './pod-template.js';
export { analyze, violations, type Finding, type Mistake, type Violation } from './analyze.js';
export { READER } from './reader.js';
