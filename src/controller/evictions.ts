import {
  MeshError,
  pause,
  setLatest,
  type Counter,
  type Logger,
  type Metrics,
  type Watched,
} from '../base/index.js';
import { EventRecorder, evictPod, objectKey, type KubeClient, type Pod } from '../kube/index.js';
import type { Absences } from './absences.js';
import type { ClusterView } from './cluster-view.js';
import { hasEnded, hasOurProxy } from './collect/index.js';
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
  /** How long an owner is left alone after one of its pods was tried, in milliseconds. Default 30 s. */
  readonly heldMs?: number;
}

export type EvictionCounter = Counter<'result'>;

export function evictionMetrics(metrics: Metrics): EvictionCounter {
  return metrics.counter(
    'weft_pod_evictions_total',
    'Evictions of pods that should have a proxy and have none, or that the CNI plugin has missed, by how they went.',
    ['result'],
  );
}

/** Who replaces a pod that is evicted, and counts that as no failure, as a Job would. */
export const REPLACES: ReadonlySet<string> = new Set([
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'ReplicationController',
]);

/** An owner whose pod may not be evicted now, or was evicted just now, is not asked about again for this long. */
const HELD_MS = 30_000;
/** After as many times that, a successor that has not come is told: images are large, and applications start slowly. */
const LATE_AFTER = 4;
const REMEMBERED = 4_096;

/** What is known of a workload of which a pod was evicted. */
interface Tried {
  /** When its newest pod without a proxy was made: those that came later are without one for another reason. Undefined: it is not known any more. */
  readonly newest: string | undefined;
  readonly againAt: number;
  /** Undefined: nothing was evicted, or all is as it was before. */
  readonly awaited: Lack | undefined;
}

/** What has to be there before another pod goes. */
interface Lack {
  /** The pod that was evicted. */
  readonly uid: string;
  /** False: the answer is lost, so that it may still be there. */
  readonly isCertain: boolean;
  readonly ready: number;
  /** A pod later than this must have a proxy. Undefined: any will do, because the webhook was away. */
  readonly laterThan: string | undefined;
  /** From when on it is told that it has not come. */
  readonly lateAt: number;
}

/** A workload in one turn. */
interface Workload {
  readonly pods: readonly Pod[];
  /** Those that are ready, and stay. */
  readonly ready: readonly Pod[];
}

/**
 * Evicts pods that should have a proxy and have none, one after the other, until the signal aborts. Of a workload one at a time, while
 * its other pods are ready, the next one only after a successor with a proxy has made up for the one before, and none that has come
 * without a proxy although the webhook was in place: that one's successor would, too. PodDisruptionBudgets hold, because the pods go
 * by the Eviction API.
 */
export async function evictUnmeshed(options: EvictionsOptions, signal: AbortSignal): Promise<void> {
  const events = new EventRecorder({ client: options.client, log: options.log, component: 'weft' });
  const evictor = new Evictor(options, events);
  options.webhook.subscribe((state) => {
    if (state === 'faulty') evictor.forget();
  }, signal);
  while (await pause(60_000 / options.perMinute, signal)) {
    if (options.webhook.current !== 'in-place') continue;
    await evictor.evictOne(signal);
    await evictor.tellLate();
  }
}

class Evictor {
  readonly #options: EvictionsOptions;
  readonly #events: EventRecorder;
  readonly #heldMs: number;
  /** By uid of the owner, the latest last. */
  readonly #tried = new Map<string, Tried>();
  /** Pods of owners that have to be told. */
  readonly #late: Pod[] = [];

  constructor(options: EvictionsOptions, events: EventRecorder) {
    this.#options = options;
    this.#events = events;
    this.#heldMs = options.heldMs ?? HELD_MS;
  }

  /** While the webhook was away, pods of every workload may have come without a proxy; a pod that is lacking still is. */
  forget(): void {
    for (const [uid, tried] of this.#tried) {
      const { awaited } = tried;
      if (awaited === undefined) this.#tried.delete(uid);
      else
        this.#tried.set(uid, {
          againAt: tried.againAt,
          newest: undefined,
          awaited: { ...awaited, laterThan: undefined },
        });
    }
  }

  async evictOne(signal: AbortSignal): Promise<void> {
    const next = this.#next();
    if (next === undefined) return;
    const { pod, workload } = next;
    const { client, evicted, log } = this.#options;
    this.#note(pod, workload);
    try {
      const result = await evictPod(client, pod.metadata, signal);
      evicted.inc({ result });
      this.#settle(pod, result);
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

  /** Tells owners, once, that what was evicted has not been made up for. */
  async tellLate(): Promise<void> {
    for (const pod of this.#late.splice(0))
      await this.#events.record(ownerOrPod(pod), {
        type: 'Warning',
        reason: 'InjectionEvictionHeld',
        message:
          'after the eviction of a pod without a proxy the workload has not as many ready pods as before, or no new one with a proxy, so ' +
          'no other pod of it is evicted until it has; see why its new pods do not come or start, or restart it (kubectl rollout restart)',
      });
  }

  #next(): { pod: Pod; workload: Workload } | undefined {
    const { absences, view } = this.#options;
    const now = performance.now();
    /** Undefined: no pod of it may go in this turn. */
    const looked = new Map<string, Workload | undefined>();
    for (const key of absences.of('missing')) {
      const pod = view.pods.store.get(key);
      const owner = pod?.metadata.owner;
      if (pod === undefined || owner === undefined || !isReplaced(pod)) continue;
      if (!looked.has(owner.uid)) looked.set(owner.uid, this.#open(pod, now));
      const workload = looked.get(owner.uid);
      if (workload !== undefined && this.#mayGo(pod, workload)) return { pod, workload };
    }
    return undefined;
  }

  /** The pod's workload, if one of its pods may go now. */
  #open(pod: Pod, now: number): Workload | undefined {
    const uid = pod.metadata.owner?.uid ?? '';
    const tried = this.#tried.get(uid);
    if (tried !== undefined && now < tried.againAt) return undefined;
    const workload = this.#workload(pod);
    if (tried?.awaited === undefined) return workload;
    if (isMadeUp(workload, tried.awaited)) {
      this.#tried.set(uid, { ...tried, awaited: undefined });
      return workload;
    }
    if (now < tried.awaited.lateAt) return undefined;
    this.#late.push(pod);
    this.#tried.set(uid, { ...tried, awaited: { ...tried.awaited, lateAt: Infinity } });
    return undefined;
  }

  #mayGo({ metadata }: Pod, { pods, ready }: Workload): boolean {
    const newest = this.#tried.get(metadata.owner?.uid ?? '')?.newest;
    if (newest !== undefined && metadata.creationTimestamp > newest) return false;
    const others = ready.filter(({ metadata: { uid } }) => uid !== metadata.uid);
    return others.length === pods.length - 1;
  }

  #workload(pod: Pod): Workload {
    const { namespace, owner } = pod.metadata;
    const pods = [...this.#options.view.pods.store.inNamespace(namespace)].filter(
      (one) => one.metadata.owner?.uid === owner?.uid && !hasEnded(one),
    );
    return { pods, ready: pods.filter(({ ready, metadata }) => ready && !metadata.deleting) };
  }

  /** Before the eviction, because of one whose answer is lost nobody knows whether it was. */
  #note(pod: Pod, { pods, ready }: Workload): void {
    const { owner, uid } = pod.metadata;
    if (owner === undefined) return;
    const without = pods.filter((one) => absenceOf(one, this.#options)?.kind === 'missing');
    const newest = this.#tried.get(owner.uid)?.newest ?? newestOf(without);
    const againAt = performance.now() + this.#heldMs;
    const lateAt = againAt + (LATE_AFTER - 1) * this.#heldMs;
    const awaited = { uid, isCertain: false, ready: ready.length, laterThan: newestOf(pods), lateAt };
    setLatest(this.#tried, owner.uid, { newest, againAt, awaited }, REMEMBERED);
  }

  /** What came of it. A pod that is gone, by whoever, must have a successor, too. */
  #settle({ metadata }: Pod, result: Awaited<ReturnType<typeof evictPod>>): void {
    const uid = metadata.owner?.uid ?? '';
    const tried = this.#tried.get(uid);
    if (tried?.awaited === undefined || result === 'gone') return;
    const awaited = result === 'evicted' ? { ...tried.awaited, isCertain: true } : undefined;
    this.#tried.set(uid, { ...tried, awaited });
  }
}

/** Whether somebody replaces it when it is evicted, by one with a proxy. */
function isReplaced({ metadata, hostNetwork }: Pod): boolean {
  // One on its node's network gets no proxy from anybody.
  return (
    metadata.owner !== undefined && REPLACES.has(metadata.owner.kind) && !metadata.deleting && !hostNetwork
  );
}

/** Whether what was evicted has been made up for. */
function isMadeUp({ pods, ready }: Workload, { uid, isCertain, ready: before, laterThan }: Lack): boolean {
  if (!isCertain && pods.some(({ metadata }) => metadata.uid === uid && !metadata.deleting)) return true;
  // A view that lags still has it.
  const others = ready.filter(({ metadata }) => metadata.uid !== uid);
  if (others.length < before) return false;
  return (
    laterThan === undefined ||
    others.some((pod) => pod.metadata.creationTimestamp > laterThan && hasOurProxy(pod))
  );
}

function newestOf(pods: readonly Pod[]): string {
  return pods
    .map(({ metadata }) => metadata.creationTimestamp)
    .reduce((one, other) => (one > other ? one : other), '');
}
