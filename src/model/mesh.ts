import type { BackendPolicy, MeshRoute } from './gateway-api/index.js';
import type { ServiceKey } from './keys.js';
import type { Policy } from './policy.js';
import type { EndpointSet, Service, ServicePort } from './service.js';
import type { MeshSettings } from './settings.js';
import type { Workload } from './workload.js';

/** All that is known, with the indexes that make questions cheap. Filled by `MeshTables`, read by everyone else. */
export interface Mesh {
  readonly settings: MeshSettings;
  readonly services: ReadonlyMap<ServiceKey, Service>;
  readonly workloads: ReadonlyMap<string, Workload>;
  readonly policies: ReadonlyMap<string, Policy>;
  /** The TCP port of a Service behind `<cluster IP>:<port>`, the address in canonical form. */
  serviceAt(clusterIP: string, port: number): { service: Service; port: ServicePort } | undefined;
  /** The pod that owns an address; pods on their node's network own none. */
  workloadAt(ip: string): Workload | undefined;
  endpointSetsOf(service: ServiceKey): readonly EndpointSet[];
  /** Endpoint sets that list the pod, ready or not. */
  endpointSetsWith(uid: string): readonly EndpointSet[];
  /** Policies that name the Service as a target, whether they win or not. */
  policiesOn(service: ServiceKey): readonly Policy[];
  /** Policies whose target is every Service of the namespace, whether they win or not. */
  policiesOnNamespace(namespace: string): readonly Policy[];
  /** Policies that name a route of Gateway API as a target, by its `routeName`. */
  policiesOnRoute(route: string): readonly Policy[];
  /** HTTPRoutes and GRPCRoutes by the uids of their objects. */
  readonly routes: ReadonlyMap<string, MeshRoute>;
  /** Routes that name the Service as a parent, whether they act or not. */
  routesOn(service: ServiceKey): readonly MeshRoute[];
  /** XBackendTrafficPolicies by the uids of their objects. */
  readonly backendPolicies: ReadonlyMap<string, BackendPolicy>;
  /** Those that name the Service, whether they act or not. */
  backendPoliciesOn(service: ServiceKey): readonly BackendPolicy[];
}
