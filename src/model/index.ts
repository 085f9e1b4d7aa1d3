/** What the mesh means. Knows neither Kubernetes nor the wire. */

export type { DirtyKey, ServiceKey, WorkloadKey } from './keys.js';
export { dirtyService, dirtyWorkload, serviceKey, workloadKeyText } from './keys.js';
export type { Workload } from './workload.js';
export type { EndpointAddress, EndpointPort, EndpointSet, Service, ServicePort } from './service.js';
export type { MeshSettings, MtlsMode, OutboundPolicy } from './settings.js';
export { DEFAULT_SETTINGS } from './settings.js';
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
} from './policy.js';

export type { Session } from './session.js';
export type { Budget, Fault, Hedging, Limits, Outliers } from './resilience.js';

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
} from './route-actions.js';

export {
  type BackendPolicy,
  judgeBackendPolicy,
  judgeRoute,
  type MeshRoute,
  type ParentVerdict,
  type RouteKind,
  type TargetVerdict,
  toBackendPolicy,
  toMeshRoute,
} from './gateway-api/index.js';
export type { Mesh } from './mesh.js';
export type { Dirty } from './mesh-tables.js';
export { MeshTables } from './mesh-tables.js';
export { toPolicy } from './to-policy.js';
export { toSettings } from './to-settings.js';

export type {
  Backend,
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
} from './destination.js';
export { resolve } from './resolve.js';
export { compileDestination, destinationKey } from './compile-destination.js';
export { compileWorkload } from './compile-workload.js';

export type { Problem, Verdict } from './problem.js';
export { judge, verdicts } from './judge.js';

export { canonicalIp, ipBytes } from './ip.js';
export { hasUnknownProtocol } from './protocol.js';
export { spiffeId } from './spiffe.js';
