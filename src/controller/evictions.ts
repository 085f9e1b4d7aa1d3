import { MeshError, pause, type Counter, type Logger, type Metrics, type Watched } from '../base/index.js';
import { EventRecorder, evictPod, objectKey, type KubeClient, type Pod } from '../kube/index.js';
import type { Absences } from './absences.js';
import type { ClusterView } from './cluster-view.js';
import { hasEnded } from './collect/index.js';
import { absenceOf, ownerOrPod } from './injection-events.js';
import type { WebhookState } from './webhook-keeper.js';

export interface EvictionsOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'pods' | 'namespaces'>;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly absences: Absences;
  /** The most evictions in a minute, in the whole cluster. */
  readonly perMinute: number;
  /** Whether whoever replaces an evicted pod asks us for its proxy. */
  readonly webhook: Watched<WebhookState>;
  readonly evicted: EvictionCounter;
  readonly log: Logger;
}

export type EvictionCounter = Counter<'result'>;

export function evictionMetrics(metrics: Metrics): EvictionCounter {
  return metrics.counter(
    'weft_pod_evictions_total',
    'Evictions of pods that should have a proxy and have none, by how they went.',
    ['result'],
  );
}

/** Who replaces a pod that is evicted, and counts that as no failure, as a Job would. */
const REPLACES = new Set(['ReplicaSet', 'StatefulSet', 'DaemonSet', 'ReplicationController']);

/** An owner whose pod may not be evicted now, or was evicted just now, is not asked about again for this long. */
const HELD_MS = 30_000;
const REMEMBERED = 4_096;

/** What is known of a workload of which a pod was evicted. */
interface Tried {
  /** When its newest pod without a proxy was made: those that came later are without one for another reason. */
  readonly newest: string;
  readonly againAt: number;
}

/**
 * Evicts pods that should have a proxy and have none, one after the other, until the signal aborts. Of a workload one at a time, while
 * its other pods are ready, and none that has come without a proxy although the webhook was in place: that one's successor would,
 * too. PodDisruptionBudgets hold, because the pods go by the Eviction API.
 */
export async function evictUnmeshed(options: EvictionsOptions, signal: AbortSignal): Promise<void> {
  const events = new EventRecorder({ client: options.client, log: options.log, component: 'weft' });
  const evictor = new Evictor(options, events);
  options.webhook.subscribe((state) => {
    if (state === 'faulty') evictor.forget();
  }, signal);
  while (await pause(60_000 / options.perMinute, signal)) {
    if (options.webhook.current === 'in-place') await evictor.evictOne(signal);
  }
}

class Evictor {
  readonly #options: EvictionsOptions;
  readonly #events: EventRecorder;
  /** By uid of the owner, the latest last. */
  readonly #tried = new Map<string, Tried>();

  constructor(options: EvictionsOptions, events: EventRecorder) {
    this.#options = options;
    this.#events = events;
  }

  /** While the webhook was away, pods of every workload may have come without a proxy. */
  forget(): void {
    this.#tried.clear();
  }

  async evictOne(signal: AbortSignal): Promise<void> {
    const pod = this.#next();
    if (pod === undefined) return;
    const { client, evicted, log } = this.#options;
    this.#note(pod);
    try {
      const result = await evictPod(client, pod.metadata, signal);
      evicted.inc({ result });
      if (result !== 'evicted') return;
      log.info({ pod: objectKey(pod) }, 'evicted a pod that should have a proxy and has none');
      await this.#events.record(ownerOrPod(pod), {
        type: 'Normal',
        reason: 'InjectionEvicted',
        message: 'a pod that should have a proxy and has none was evicted, so that its successor gets one',
      });
    } catch (thrown) {
      if (signal.aborted) return;
      evicted.inc({ result: 'failed' });
      log.warn({ err: MeshError.from(thrown), pod: objectKey(pod) }, 'cannot evict a pod without a proxy');
    }
  }

  #next(): Pod | undefined {
    const { absences, view } = this.#options;
    const now = performance.now();
    for (const key of absences.of('missing')) {
      const pod = view.pods.store.get(key);
      if (pod !== undefined && this.#mayGo(pod, now)) return pod;
    }
    return undefined;
  }

  #mayGo(pod: Pod, now: number): boolean {
    const { owner, deleting, creationTimestamp } = pod.metadata;
    // One on its node's network gets no proxy from anybody.
    if (owner === undefined || !REPLACES.has(owner.kind) || deleting || pod.hostNetwork) return false;
    const tried = this.#tried.get(owner.uid);
    if (tried !== undefined && (now < tried.againAt || creationTimestamp > tried.newest)) return false;
    return this.#siblings(pod).every((sibling) => sibling.ready && !sibling.metadata.deleting);
  }

  /** The other pods of its workload. */
  #siblings(pod: Pod): Pod[] {
    const { namespace, name, owner } = pod.metadata;
    return [...this.#options.view.pods.store.inNamespace(namespace)].filter(
      (other) => other.metadata.owner?.uid === owner?.uid && other.metadata.name !== name && !hasEnded(other),
    );
  }

  #note(pod: Pod): void {
    const { owner } = pod.metadata;
    if (owner === undefined) return;
    const before = this.#tried.get(owner.uid);
    const without = [pod, ...this.#siblings(pod)].filter(
      (one) => absenceOf(one, this.#options)?.kind === 'missing',
    );
    const newest =
      without
        .map(({ metadata }) => metadata.creationTimestamp)
        .sort()
        .at(-1) ?? '';
    this.#tried.delete(owner.uid);
    this.#tried.set(owner.uid, {
      newest: before?.newest ?? newest,
      againAt: performance.now() + HELD_MS,
    });
    const [oldest] = this.#tried.keys();
    if (this.#tried.size > REMEMBERED && oldest !== undefined) this.#tried.delete(oldest);
  }
}
