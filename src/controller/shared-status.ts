import { MeshError, systemClock, type Clock, type Logger, untilAborted } from '../base/index.js';
import {
  WorkQueue,
  mergeStatus,
  objectKey,
  orUndefined,
  type Informer,
  type KubeClient,
  type KubeObject,
  type Outcome,
  type QueueMetrics,
  type Resource,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';

/** A kind whose status is a list of several controllers' entries, ours among them. */
export interface SharedStatus<T extends KubeObject> {
  readonly objects: Pick<Informer<T>, 'store'>;
  readonly resource: Resource<T>;
  /** The status with our entries as they should be at `now` (ms since 1970); undefined where they are so, and where nobody can judge yet. */
  readonly status: (object: T, now: number) => object | undefined;
}

export interface SharedStatusOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'services'>;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Changes of the mesh come in crowds: one write for all of that. */
const GATHER_MS = 150;

/** Somebody else wrote in between; the informer brings the object as it is now. */
const AGAIN_MS = 200;

/**
 * Keeps our entries true in the status of every object of `kinds`, whose objects compete for Services, as long as this
 * replica leads. `name` is the queue's.
 */
export async function writeSharedStatuses<T extends KubeObject>(
  name: string,
  kinds: readonly SharedStatus<T>[],
  options: SharedStatusOptions,
  signal: AbortSignal,
): Promise<void> {
  const { view, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name,
    log,
    metrics: queueMetrics,
    reconcile: (key, workSignal) => {
      const [index, at] = splitKey(key);
      const kind = kinds[index];
      return kind === undefined ? Promise.resolve(undefined) : reconcile(kind, at, options, workSignal);
    },
  });
  const all = (): void => {
    for (const [index, { objects }] of kinds.entries()) {
      for (const object of objects.store.values()) queue.addAfter(`${index} ${objectKey(object)}`, GATHER_MS);
    }
  };
  const stops = [
    // One that changes may concern each other one. What is written into a status does not.
    ...kinds.map(({ objects }, index) =>
      objects.store.onChange((change) => {
        const before = change.previous?.metadata.generation;
        if (change.type === 'set' && change.object.metadata.generation === before)
          queue.addAfter(`${index} ${change.key}`, GATHER_MS);
        else all();
      }),
    ),
    view.services.store.onChange(all),
  ];
  all();
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

async function reconcile<T extends KubeObject>(
  { objects, resource, status: statusOf }: SharedStatus<T>,
  key: string,
  { client, clock = systemClock }: SharedStatusOptions,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const object = objects.store.get(key);
  if (object === undefined || object.metadata.deleting) return undefined;
  const status = statusOf(object, clock.now());
  if (status === undefined) return undefined;
  try {
    // It may have been deleted in the meantime.
    await orUndefined(mergeStatus(client, resource, object.metadata, { status, signal }));
    return undefined;
  } catch (thrown) {
    if (MeshError.from(thrown).code === 'conflict') return { againAfterMs: AGAIN_MS };
    throw thrown;
  }
}

function splitKey(key: string): [kind: number, key: string] {
  const [kind = '', at = ''] = key.split(' ');
  return [Number(kind), at];
}
