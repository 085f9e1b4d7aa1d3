import type { Pod, Store } from '../kube/index.js';
import { acksConfigMap, type AckReport } from './ack-summary.js';
import type { OwnPod } from './acks.js';
import type { ReplicaReport } from './kinds/own-records.js';

/**
 * From the moment by which a replica stopped being ready to the one by which its proxies are with another: one that hangs
 * is noticed by their pings after 15 s at most, of which it took some to stop being ready.
 */
const LEAVES_MS = 15_000;

/** What another replica reports, as far as it counts. */
export interface PeerReport {
  readonly report: AckReport;
  /** Set while its replica is not ready: for how long yet its proxies may be with it. */
  readonly leavesInMs: number | undefined;
}

export interface PeersOptions {
  readonly view: {
    readonly acks: { readonly store: Store<ReplicaReport> };
    readonly pods: { readonly store: Store<Pod> };
  };
  /** This replica's own. */
  readonly pod: OwnPod | undefined;
  readonly systemNamespace: string;
  /** Default 15 s. */
  readonly leavesMs?: number;
}

/**
 * The other replicas and what they say of acknowledgements. One that stopped being ready, because it crashed or hangs, goes
 * on counting for a while: its proxies do not have what it can no longer send, and nobody else knows of them until they come.
 * One whose pod is gone does not count.
 */
export class Peers {
  readonly #options: PeersOptions;
  /** By pod, when it was seen not to be ready, on the monotonic clock. */
  readonly #unreadySince = new Map<string, number>();

  /** Follows the pods from now on, whether this replica leads or not: the next leader has to know who left before. */
  constructor(options: PeersOptions) {
    this.#options = options;
    options.view.pods.store.onChange((change) => {
      const { namespace, name } = change.type === 'set' ? change.object.metadata : change.previous.metadata;
      if (namespace !== options.systemNamespace) return;
      if (change.type === 'delete' || change.object.ready) this.#unreadySince.delete(name);
      else if (!this.#unreadySince.has(name)) this.#unreadySince.set(name, performance.now());
    });
  }

  reports(): readonly PeerReport[] {
    const { view, pod, leavesMs = LEAVES_MS } = this.#options;
    const found: PeerReport[] = [];
    for (const { metadata, report } of view.acks.store.values()) {
      const replica = metadata.name.slice(acksConfigMap('').length);
      const isThere = view.pods.store.get(`${metadata.namespace}/${replica}`) !== undefined;
      if (replica === pod?.name || !isThere) continue;
      const since = this.#unreadySince.get(replica);
      const leavesInMs = since === undefined ? undefined : since + leavesMs - performance.now();
      if (leavesInMs === undefined || leavesInMs > 0) found.push({ report, leavesInMs });
    }
    return found;
  }
}
