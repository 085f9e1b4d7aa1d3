import { names, pause, setLatest, type Logger } from '../base/index.js';
import {
  EventRecorder,
  evictPod,
  objectKey,
  reconcile,
  storeSource,
  type KubeClient,
  type Pod,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { REPLACES, type EvictionCounter } from './evictions.js';
import { ownerOrPod } from './injection-events.js';

export interface MissedPodsOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'pods'>;
  readonly revision: string;
  readonly evicted: EvictionCounter;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  /** How long the workload of a pod that was evicted is left alone, in milliseconds. Default 30 s. */
  readonly heldMs?: number;
  /** Between two evictions, in milliseconds. Default 1 s. */
  readonly pauseMs?: number;
}

/** A successor that is missed as well tells of a node that has no plugin: its workload is not worn out by trying. */
const HELD_MS = 30_000;
const PAUSE_MS = 1_000;
const REMEMBERED = 4_096;

/**
 * Evicts pods that the CNI plugin has missed, until the signal aborts: their first container says so and lets nothing start, and the
 * kubelet runs it again in the same network for ever. Nothing of them has run, so no budget is theirs, and whoever made them makes
 * successors, which the plugin captures.
 */
export async function evictMissed(options: MissedPodsOptions, signal: AbortSignal): Promise<void> {
  const { view, log, queueMetrics } = options;
  const pods = view.pods.store;
  const evictor = new MissedPods(options);
  const reconciler = {
    name: 'missed-pods',
    log,
    metrics: queueMetrics,
    initial: () => [...pods.values()].filter(isMissed).map(objectKey),
    sources: [
      storeSource(pods, (change) => (change.type === 'set' && isMissed(change.object) ? [change.key] : [])),
    ],
    reconcile: async (key: string) => evictor.look(pods.get(key), signal),
  };
  await reconcile(reconciler, signal);
}

class MissedPods {
  readonly #options: MissedPodsOptions;
  readonly #events: EventRecorder;
  /** By uid of the owner, the latest last: until when it is left alone. */
  readonly #held = new Map<string, number>();

  constructor(options: MissedPodsOptions) {
    this.#options = options;
    this.#events = new EventRecorder({ client: options.client, log: options.log, component: 'weft' });
  }

  async look(pod: Pod | undefined, signal: AbortSignal): Promise<{ againAfterMs: number } | undefined> {
    if (pod === undefined || !isMissed(pod)) return undefined;
    const { labels, owner } = pod.metadata;
    if (labels[names.Label.rev] !== this.#options.revision) return undefined;
    if (owner === undefined || !REPLACES.has(owner.kind)) {
      await this.#tell(pod, 'delete the pod and create it again');
      return undefined;
    }
    const againAfterMs = (this.#held.get(owner.uid) ?? 0) - performance.now();
    if (againAfterMs > 0) return { againAfterMs };
    const { heldMs = HELD_MS } = this.#options;
    setLatest(this.#held, owner.uid, performance.now() + heldMs, REMEMBERED);
    return this.#evict(pod, signal);
  }

  async #evict(pod: Pod, signal: AbortSignal): Promise<{ againAfterMs: number } | undefined> {
    const { client, evicted, log, heldMs = HELD_MS, pauseMs = PAUSE_MS } = this.#options;
    const result = await evictPod(client, pod.metadata, signal);
    evicted.inc({ result });
    if (result === 'evicted') {
      log.info({ pod: objectKey(pod) }, 'evicted a pod that the CNI plugin had missed');
      await this.#tell(pod, 'it was evicted, and its successor is captured');
    }
    await pause(pauseMs, signal);
    return result === 'forbidden-now' ? { againAfterMs: heldMs } : undefined;
  }

  async #tell(pod: Pod, what: string): Promise<void> {
    const message = `a pod came before the CNI plugin of its node was in place, and does not start without its rules; ${what}`;
    await this.#events.record(ownerOrPod(pod), { type: 'Warning', reason: 'CaptureMissed', message });
  }
}

function isMissed({ isUncaptured, metadata }: Pod): boolean {
  return isUncaptured === true && !metadata.deleting;
}
