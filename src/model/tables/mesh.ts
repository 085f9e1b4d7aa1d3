import type { BackendPolicy } from '../words/backend-policy.js';
import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import type { CaBundle } from '../words/ca-bundle.js';
import type { ExternalService } from '../words/external-service.js';
import type { MeshRoute } from '../words/mesh-route.js';
import type { MeshRole, MeshRoleBinding } from '../words/access.js';
import type { JwtIssuer, KeySet } from '../words/jwt-issuer.js';
import type { NamespaceAccess } from './namespace-access.js';
import type { Namespace } from './namespaces.js';
import type { Referrer } from '../words/grant.js';
import type { ServiceKey } from '../words/keys.js';
import type { Policy } from '../words/policy.js';
import type { EndpointSet, Service, ServicePort } from '../words/service.js';
import type { MeshSettings } from '../words/settings.js';
import type { ReadonlyTable } from './table.js';
import type { TlsPolicy } from '../words/tls-policy.js';
import type { Workload } from '../words/workload.js';
import type { XBackend } from '../words/x-backend.js';

/** All that is known, with the indexes that make questions cheap. Filled by `MeshTables`, read by everyone else. */
export interface Mesh {
  readonly settings: MeshSettings;
  /** What tokens of sessions are made with; undefined until there is an issuer. Never part of what is shown or recorded. */
  readonly sessionKey: Uint8Array | undefined;
  /** By `serviceKey`. */
  readonly services: ReadonlyTable<Service>;
  /** By the uids of the pods. */
  readonly workloads: ReadonlyTable<Workload>;
  /** TrafficPolicies by the uids of their objects. */
  readonly policies: ReadonlyTable<Policy>;
  /** The TCP port of a Service behind `<cluster IP>:<port>`, the address in canonical form. */
  serviceAt(clusterIP: string, port: number): { service: Service; port: ServicePort } | undefined;
  /** The pod that owns an address; pods on their node's network own none. */
  workloadAt(ip: string): Workload | undefined;
  /** Services of a namespace. */
  servicesIn(namespace: string): readonly ServiceKey[];
  /** Whether a ReferenceGrant of the Service's namespace lets an object of another refer to it. */
  isGranted(referrer: Referrer, service: ServiceKey): boolean;
  endpointSetsOf(service: ServiceKey): readonly EndpointSet[];
  /** Endpoint sets that list the pod, ready or not. */
  endpointSetsWith(uid: string): readonly EndpointSet[];
  /** Endpoint sets that list the address without naming a pod; a pod may have it all the same. */
  endpointSetsAt(ip: string): readonly EndpointSet[];
  /** Policies that name the Service as a target, whether they win or not. */
  policiesOn(service: ServiceKey): readonly Policy[];
  /** Policies whose target is every Service of the namespace, whether they win or not. */
  policiesOnNamespace(namespace: string): readonly Policy[];
  /** Policies of the namespace whose limits count by claims of tokens, whether they win or not. */
  policiesCountingClaimsIn(namespace: string): readonly Policy[];
  /** Policies whose limits name ExternalServices of the namespace. */
  policiesLimitingCallsFrom(namespace: string): readonly Policy[];
  /** Policies that name a route of Gateway API as a target, by its `routeName`. */
  policiesOnRoute(route: string): readonly Policy[];
  /** Policies whose verdict may change with the Service: as a target, as one of a namespace's, as a backend or behind a route. */
  policiesAbout(service: ServiceKey): readonly Policy[];
  /** The route of a `routeName`. */
  routeNamed(route: string): MeshRoute | undefined;
  /** HTTPRoutes and GRPCRoutes by the uids of their objects. */
  readonly routes: ReadonlyTable<MeshRoute>;
  /** Routes that name the Service as a parent, whether they act or not. */
  routesOn(service: ServiceKey): readonly MeshRoute[];
  /** Routes whose verdict may change with the Service: as a parent or as a backend. */
  routesAbout(service: ServiceKey): readonly MeshRoute[];
  /** MeshRoles by the uids of their objects. */
  readonly roles: ReadonlyTable<MeshRole>;
  /** MeshRoleBindings by the uids of their objects. */
  readonly roleBindings: ReadonlyTable<MeshRoleBinding>;
  /** JwtIssuers by the uids of their objects. */
  readonly jwtIssuers: ReadonlyTable<JwtIssuer>;
  /** Those of a namespace, whether they act or not. */
  jwtIssuersIn(namespace: string): readonly JwtIssuer[];
  /** What was fetched for the issuer of a uid from where its keys are now; undefined: nothing yet. */
  keySetOf(uid: string): KeySet | undefined;
  /** What is said about access to the pods of a namespace. */
  accessIn(namespace: string): NamespaceAccess;
  rolesIn(namespace: string): readonly MeshRole[];
  /** Those of a namespace, whether they act or not. */
  roleBindingsIn(namespace: string): readonly MeshRoleBinding[];
  /** MeshTLSPolicies by the uids of their objects. */
  readonly tlsPolicies: ReadonlyTable<TlsPolicy>;
  /** Those of a namespace, whether they act or not. */
  tlsPoliciesIn(namespace: string): readonly TlsPolicy[];
  /** ExternalServices by the uids of their objects. */
  readonly externalServices: ReadonlyTable<ExternalService>;
  /** Those of a namespace, whether they count or not. */
  externalServicesIn(namespace: string): readonly ExternalService[];
  /** What namespaces say of themselves, by their names. */
  readonly namespaces: ReadonlyTable<Namespace>;
  /** Pods of a namespace. */
  workloadsIn(namespace: string): readonly Workload[];
  /** XBackendTrafficPolicies by the uids of their objects. */
  readonly backendPolicies: ReadonlyTable<BackendPolicy>;
  /** Those that name the Service, whether they act or not. */
  backendPoliciesOn(service: ServiceKey): readonly BackendPolicy[];
  /** XBackends by the uids of their objects. */
  readonly xBackends: ReadonlyTable<XBackend>;
  /** The one of an `xBackendKey`. */
  xBackendOf(key: ServiceKey): XBackend | undefined;
  /** The pods that it selects, ready or not. */
  workloadsOf(backend: XBackend): readonly Workload[];
  /** Those that select the pod. */
  xBackendsSelecting(workload: Workload): readonly XBackend[];
  /** BackendTLSPolicies by the uids of their objects. */
  readonly backendTlsPolicies: ReadonlyTable<BackendTlsPolicy>;
  /** What ConfigMaps have under `ca.crt`, by `<namespace>/<name>`. */
  readonly caBundles: ReadonlyTable<CaBundle>;
  /** Those that name the Service or a port of it, whether they come first or not. */
  backendTlsPoliciesOn(service: ServiceKey): readonly BackendTlsPolicy[];
}
