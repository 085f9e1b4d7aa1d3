import type { Logger } from '../base/index.js';
import type {
  BackendPolicyObject,
  Change,
  CustomObject,
  EndpointSlice,
  KubeObject,
  Node,
  Pod,
  RouteObject,
  Service,
} from '../kube/index.js';
import {
  MeshTables,
  serviceKey,
  type Dirty,
  type Mesh,
  type MeshSettings,
  type Problem,
  type RouteKind,
} from '../model/index.js';
import type { ClusterView } from './cluster-view.js';
import {
  hasEnded,
  readBackendPolicy,
  readPolicy,
  readRoute,
  readSettings,
  toEndpointSet,
  toService,
  toWorkload,
} from './collect/index.js';

export interface CollectorOptions {
  readonly view: ClusterView;
  /** What the installation fixes; a MeshConfig is laid over it. */
  readonly installed: MeshSettings;
  readonly log: Logger;
}

/** Turns every change that the informers see into a change of the model's tables, and tells what it made dirty. */
export class Collector {
  readonly #tables: MeshTables;
  readonly #options: CollectorOptions;
  readonly #listeners: ((dirty: Dirty) => void)[] = [];
  readonly #problems = new Map<string, readonly Problem[]>();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#tables = new MeshTables(options.installed);
  }

  get mesh(): Mesh {
    return this.#tables;
  }

  /** What reading a policy's object found, by the object's uid; what the rest of the mesh shows comes from `judge`. */
  problemsOf(policyUid: string): readonly Problem[] {
    return this.#problems.get(policyUid) ?? [];
  }

  onDirty(listener: (dirty: Dirty) => void): void {
    this.#listeners.push(listener);
  }

  /** Starts to listen; call it before the informers run. */
  attach(): void {
    const { view } = this.#options;
    view.services.store.onChange((change) => this.#service(change));
    view.endpointSlices.store.onChange((change) => this.#slice(change));
    view.pods.store.onChange((change) => this.#pod(change));
    view.nodes.store.onChange((change) => this.#node(change));
    view.policies.store.onChange((change) => this.#policy(change));
    view.httpRoutes.store.onChange((change) => this.#route('HTTPRoute', change));
    view.grpcRoutes.store.onChange((change) => this.#route('GRPCRoute', change));
    view.backendPolicies.store.onChange((change) => this.#backendPolicy(change));
    view.meshConfigs.store.onChange(() => this.#settings());
  }

  #service(change: Change<Service>): void {
    const { namespace, name } = (change.type === 'set' ? change.object : change.previous).metadata;
    this.#dirty(
      change.type === 'set'
        ? this.#tables.setService(toService(change.object))
        : this.#tables.deleteService(serviceKey(namespace, name)),
    );
  }

  #slice(change: Change<EndpointSlice>): void {
    const set = change.type === 'set' ? toEndpointSet(change.object) : undefined;
    const { namespace, name } = (change.type === 'set' ? change.object : change.previous).metadata;
    this.#dirty(
      set === undefined ? this.#tables.deleteEndpoints(namespace, name) : this.#tables.setEndpoints(set),
    );
  }

  /** A StatefulSet's next pod has its name but not its uid: the old one goes first. */
  #pod(change: Change<Pod>): void {
    const previous = change.previous?.metadata.uid;
    const gone = change.type === 'delete' || hasEnded(change.object);
    if (previous !== undefined && (gone || previous !== change.object.metadata.uid)) {
      this.#dirty(this.#tables.deleteWorkload(previous));
    }
    if (!gone) this.#setWorkload(change.object);
  }

  #setWorkload(pod: Pod): void {
    const { cluster, network } = this.#options.installed;
    const zone = this.#options.view.nodes.store.get(pod.nodeName)?.zone;
    this.#dirty(this.#tables.setWorkload(toWorkload(pod, { cluster, network, zone })));
  }

  /** Zones of nodes hardly ever change, so looking through all pods is fine. */
  #node(change: Change<Node>): void {
    const zone = change.type === 'set' ? change.object.zone : undefined;
    if (zone === change.previous?.zone) return;
    for (const pod of this.#options.view.pods.store.values()) {
      if (pod.nodeName === change.key && !hasEnded(pod)) this.#setWorkload(pod);
    }
  }

  #policy(change: Change<CustomObject>): void {
    const previous = change.previous?.metadata.uid;
    const uid = change.type === 'set' ? change.object.metadata.uid : undefined;
    if (previous !== undefined && previous !== uid) {
      this.#problems.delete(previous);
      this.#dirty(this.#tables.deletePolicy(previous));
    }
    if (change.type === 'delete') return;
    // Our own status writes come back as changes, and the spec is what the generation counts.
    if (isSameSpec(change.previous, change.object)) return;
    const { policy, problems } = readPolicy(change.object);
    this.#problems.set(change.object.metadata.uid, problems);
    if (policy !== undefined) this.#dirty(this.#tables.setPolicy(policy));
    else
      this.#options.log.info(
        { policy: change.key, problems },
        'a policy cannot act; what acted before goes on',
      );
  }

  #route(kind: RouteKind, change: Change<RouteObject>): void {
    const previous = change.previous?.metadata.uid;
    const uid = change.type === 'set' ? change.object.metadata.uid : undefined;
    if (previous !== undefined && previous !== uid) this.#dirty(this.#tables.deleteRoute(previous));
    // Status is written by us and by others, and the spec is what the generation counts.
    if (change.type === 'delete' || isSameSpec(change.previous, change.object)) return;
    const route = readRoute(kind, change.object);
    if (route !== undefined) this.#dirty(this.#tables.setRoute(route));
    else this.#options.log.warn({ route: change.key, kind }, 'a route is not as Gateway API v1 shapes it');
  }

  #backendPolicy(change: Change<BackendPolicyObject>): void {
    const previous = change.previous?.metadata.uid;
    const uid = change.type === 'set' ? change.object.metadata.uid : undefined;
    if (previous !== undefined && previous !== uid) this.#dirty(this.#tables.deleteBackendPolicy(previous));
    if (change.type === 'delete' || isSameSpec(change.previous, change.object)) return;
    const policy = readBackendPolicy(change.object);
    if (policy !== undefined) this.#dirty(this.#tables.setBackendPolicy(policy));
    else
      this.#options.log.warn(
        { policy: change.key },
        'an XBackendTrafficPolicy has not the shape of its version',
      );
  }

  #settings(): void {
    const settings = readSettings(this.#options.installed, [
      ...this.#options.view.meshConfigs.store.values(),
    ]);
    this.#dirty(this.#tables.setSettings(settings));
  }

  #dirty(dirty: Dirty): void {
    if (dirty.size === 0) return;
    for (const listener of this.#listeners) listener(dirty);
  }
}

function isSameSpec(before: KubeObject | undefined, now: KubeObject): boolean {
  const { uid, generation } = now.metadata;
  return before?.metadata.uid === uid && before.metadata.generation === generation;
}
