/** What the mesh means. Knows neither Kubernetes nor the wire. */

export type { Dirty, DirtyKey, ServiceKey, WorkloadKey } from './words/keys.js';
export { dirtyWorkload, serviceKey, workloadKeyText } from './words/keys.js';
export type { Workload } from './words/workload.js';
export type {
  EndpointAddress,
  EndpointPort,
  EndpointSet,
  NodePolicy,
  Service,
  ServicePort,
} from './words/service.js';
export type { MeshSettings, MtlsMode, OutboundPolicy, ReceiverMode } from './words/settings.js';
export { DEFAULT_SETTINGS } from './words/settings.js';
export type {
  BackendEntry,
  CallerMatch,
  HashInput,
  LoadBalancer,
  MirrorEntry,
  NamedMatch,
  PathMatch,
  Policy,
  PolicyRef,
  PolicyRoute,
  PolicyTarget,
  Retries,
  RouteMatch,
  SplitEntry,
  TextCondition,
  Timeouts,
} from './words/policy.js';

export type {
  AccessCondition,
  AccessDefault,
  AccessHeader,
  MeshRole,
  MeshRoleBinding,
  RoleRule,
} from './words/access.js';
export type { AccessConfig } from './words/access-config.js';
export { accessGrounds, type AccessGround } from './judge/access-grounds.js';
export {
  judgeCall,
  type AskedRequest,
  type Call,
  type Caller,
  type CallVerdict,
  type Identity,
} from './judge/judge-call.js';
export { modeOfPort, mtlsOn } from './compile/mtls-on.js';
export { podPorts, type PodPort } from './compile/pod-ports.js';
export { portsBehind } from './compile/compile-access.js';
export type { JwtIssuer, JwtKey, KeySet, TokenLocation, TrustedIssuer } from './words/jwt-issuer.js';
export { ACCESS_BUDGET } from './words/access-budget.js';
export { bytesNotes } from './judge/bytes-notes.js';
export {
  isAccessInForce,
  isJwtIssuerInForce,
  judgeJwtIssuer,
  judgeRole,
  judgeRoleBinding,
  jwtIssuersAbout,
  roleBindingsAbout,
  rolesAbout,
} from './judge/judge-access.js';
export { toJwtIssuer } from './read/to-jwt-issuer.js';
export { toJwtKeys } from './read/to-jwt-keys.js';
export { toRole } from './read/to-role.js';
export { toRoleBinding, unreadRoleBinding } from './read/to-role-binding.js';
export { isTlsPolicyInForce, judgeTlsPolicy, tlsPoliciesAbout } from './judge/judge-tls-policy.js';
export { toTlsPolicy, unreadTlsPolicy } from './read/to-tls-policy.js';
export type { TlsPolicy } from './words/tls-policy.js';
export {
  externalServicesAbout,
  isExternalServiceInForce,
  judgeExternalService,
} from './judge/judge-external-service.js';
export { toExternalService } from './read/to-external-service.js';
export { collectorsOf, judgeCollectors } from './judge/judge-collectors.js';
export type { AccessLog, LogChoice, PodAccessLog } from './words/access-log.js';
export type { PodCollector } from './words/collector.js';
export type { PodTracing } from './words/tracing.js';
export {
  authoritiesOf,
  type ExternalService,
  type PodExternalService,
  type PodOrigination,
} from './words/external-service.js';
export { outboundOf } from './compile/outbound-of.js';
export type { Namespace } from './tables/namespaces.js';
export { BUDGET } from './words/budget.js';
export type { Grant, Referrer } from './words/grant.js';
export type { Session } from './words/session.js';
export type {
  CountedClaim,
  PodCallerLimit,
  PodRateLimit,
  PodSharedLimits,
  RateLimit,
  RateLimitKey,
} from './words/rate-limit.js';
export { placeOfClaim } from './compile/counted-claims.js';
export type {
  CheckedBody,
  CheckOverHttp,
  Exemption,
  ExternalCheck,
  PodExternalCheck,
} from './words/external-check.js';
export type { Budget, Fault, Hedging, Limits, Outliers } from './words/resilience.js';

export type {
  Answer,
  Comparison,
  Cors,
  HeaderChanges,
  HeaderText,
  MessageHeaders,
  PathChange,
  Portion,
  Rewrite,
  RouteActions,
} from './words/route-actions.js';

export type { BackendPolicy } from './words/backend-policy.js';
export type { XBackend } from './words/x-backend.js';
export { judgeXBackend, xBackendsAbout } from './judge/judge-x-backend.js';
export { toXBackend } from './read/gateway-api/to-x-backend.js';
export type { BackendTlsPolicy } from './words/backend-tls-policy.js';
export { namesConfigMap } from './words/server-validation.js';
export type { CaBundle } from './words/ca-bundle.js';
export type { AncestorVerdict } from './judge/ancestor-verdict.js';
export { compileBackendTls } from './compile/compile-backend-tls.js';
export { backendTlsPoliciesAbout, judgeBackendTlsPolicy } from './judge/judge-backend-tls-policy.js';
export { toBackendTlsPolicy } from './read/gateway-api/to-backend-tls-policy.js';
export { judgeBackendPolicy } from './judge/judge-backend-policy.js';
export { judgeRoute, type ParentVerdict } from './judge/judge-route.js';
export type { MeshRoute, RouteKind } from './words/mesh-route.js';
export { toBackendPolicy } from './read/gateway-api/to-backend-policy.js';
export { toMeshRoute } from './read/gateway-api/to-mesh-route.js';
export type { Mesh } from './tables/mesh.js';
export { MeshTables } from './tables/mesh-tables.js';
export type { ReadonlyTable, Table } from './tables/table.js';
export { unreadPolicy } from './read/to-external-check.js';
export { toPolicy } from './read/to-policy.js';
export { readMeshConfig, type ReadMeshConfig } from './read/read-mesh-config.js';
export { decideSettings, type DecidedSettings } from './read/decide-settings.js';
export { decodeKnownSettings, encodeKnownSettings, type KnownSettings } from './read/known-settings.js';
export {
  ACCESS_DEFAULTS,
  OUTBOUND_POLICIES,
  atLeast,
  inUserWords,
  outboundInWord,
  type ConfigurableSettings,
} from './words/setting-words.js';

export type {
  Backend,
  BackendTls,
  CompiledDestination,
  CompiledWorkload,
  Destination,
  DestinationRef,
  Endpoint,
  InboundPort,
  Mirror,
  Protocol,
  Route,
  WeightedBackend,
  WorkloadConfig,
} from './words/destination.js';
export { resolve, resolvedThrough } from './compile/resolve.js';
export { compileDestination, destinationKey } from './compile/compile-destination.js';
export { compileWorkload } from './compile/compile-workload.js';

export type { Problem, Verdict } from './words/problem.js';
export { isInForce, judge, verdicts } from './judge/judge.js';
export { backendPoliciesAbout, policiesAbout, routesAbout } from './judge/about.js';

export { canonicalIp, ipBytes } from './words/ip.js';
export { declaredProtocol, hasUnknownProtocol, protocolDoubt, type ProtocolDoubt } from './words/protocol.js';
export { spiffeId } from './words/spiffe.js';
