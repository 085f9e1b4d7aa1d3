import type { Logger, Metrics } from '../base/index.js';
import {
  Informer,
  Resources,
  createInformerMetrics,
  superviseInformers,
  type AnyInformer,
  type BackendPolicyObject,
  type CustomObject,
  type EndpointSlice,
  type InformerOptions,
  type KubeClient,
  type KubeObject,
  type MeshObject,
  type Namespace,
  type Node,
  type Pod,
  type Resource,
  type RouteObject,
  type Secret,
  type Service,
} from '../kube/index.js';
import { ACKS_KEY, ACKS_LABEL, decodeReport, type AckReport } from './ack-summary.js';
import { ISSUER_SECRET } from './trust-secrets.js';

/** ConfigMap of a replica, read once when it arrives. */
export interface ReplicaReport extends KubeObject {
  readonly report: AckReport;
}

const REPLICA_REPORT: Resource<ReplicaReport> = {
  ...Resources.configMap,
  keep: (raw) => {
    const { metadata, data } = Resources.configMap.keep(raw);
    return { metadata, report: decodeReport(data[ACKS_KEY]) };
  },
};

/** Everything this replica knows of the cluster, kept fresh by one informer for each kind. */
export interface ClusterView {
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node>;
  readonly pods: Informer<Pod>;
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly policies: Informer<CustomObject>;
  /** Of Gateway API, where it is installed. */
  readonly httpRoutes: Informer<RouteObject>;
  readonly grpcRoutes: Informer<RouteObject>;
  /** Of Gateway API's experimental channel, where it is installed. */
  readonly meshes: Informer<MeshObject>;
  readonly backendPolicies: Informer<BackendPolicyObject>;
  readonly meshConfigs: Informer<CustomObject>;
  /** Secret `weft-issuer` only. */
  readonly issuer: Informer<Secret>;
  /** What replicas say about acknowledgements. */
  readonly acks: Informer<ReplicaReport>;
}

export interface ClusterViewOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Makes the informers; `runClusterView` starts them. */
export function createClusterView(options: ClusterViewOptions): ClusterView {
  const { client, systemNamespace } = options;
  const log = options.log.child({ room: 'kube' });
  const all: AnyInformer[] = [];
  const metrics = createInformerMetrics(options.metrics, () => all);
  const make = <T extends KubeObject>(
    specific: Pick<InformerOptions<T>, 'resource'> & Partial<InformerOptions<T>>,
  ): Informer<T> => {
    const informer = new Informer({ client, log, metrics, ...specific });
    all.push(informer);
    return informer;
  };
  const inSystem = { namespace: systemNamespace };
  return {
    namespaces: make({ resource: Resources.namespace }),
    nodes: make({ resource: Resources.node }),
    pods: make({ resource: Resources.pod }),
    services: make({ resource: Resources.service }),
    endpointSlices: make({ resource: Resources.endpointSlice }),
    policies: make({ resource: Resources.trafficPolicy, optional: true }),
    httpRoutes: make({ resource: Resources.httpRoute, optional: true }),
    grpcRoutes: make({ resource: Resources.grpcRoute, optional: true }),
    meshes: make({ resource: Resources.mesh, optional: true }),
    backendPolicies: make({ resource: Resources.backendPolicy, optional: true }),
    meshConfigs: make({ resource: Resources.meshConfig, optional: true }),
    issuer: make({
      resource: Resources.secret,
      ...inSystem,
      fieldSelector: `metadata.name=${ISSUER_SECRET}`,
    }),
    acks: make({ resource: REPLICA_REPORT, ...inSystem, labelSelector: ACKS_LABEL }),
  };
}

export interface RunClusterViewOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  /** A cache is stale although the API server answers: this process should be replaced. */
  readonly restart: (reason: string) => void;
}

/** Runs the informers until the signal aborts, watched over. */
export async function runClusterView(
  view: ClusterView,
  options: RunClusterViewOptions,
  signal: AbortSignal,
): Promise<void> {
  const informers = informersOf(view);
  await Promise.all([
    ...informers.map((informer) => informer.run(signal)),
    superviseInformers({ ...options, informers }, signal),
  ]);
}

/** Settles when every kind has been listed once. */
export async function viewSynced(view: ClusterView): Promise<void> {
  await Promise.all(informersOf(view).map((informer) => informer.synced));
}

function informersOf(view: ClusterView): readonly AnyInformer[] {
  const { namespaces, nodes, pods, services, endpointSlices, issuer, acks } = view;
  const { policies, httpRoutes, grpcRoutes, meshes, backendPolicies, meshConfigs } = view;
  const ofCluster = [namespaces, nodes, pods, services, endpointSlices, issuer, acks];
  return [...ofCluster, policies, httpRoutes, grpcRoutes, meshes, backendPolicies, meshConfigs];
}
