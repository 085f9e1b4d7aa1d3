import { MeshError, systemClock, type Clock, type Logger, untilAborted } from '../base/index.js';
import {
  Resources,
  WorkQueue,
  mergeStatus,
  objectKey,
  orUndefined,
  type KubeClient,
  type Outcome,
  type QueueMetrics,
} from '../kube/index.js';
import { judgeBackendPolicy } from '../model/index.js';
import { policyAncestors } from './backend-policy-status.js';
import type { ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';

export interface BackendPolicyStatusOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'backendPolicies' | 'services'>;
  readonly collector: Collector;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Changes of the mesh come in crowds: one write for all of that. */
const GATHER_MS = 150;

/** Somebody else wrote in between; the informer brings the object as it is now. */
const AGAIN_MS = 200;

/** Keeps our part of the status of every XBackendTrafficPolicy true, as long as this replica leads. */
export async function writeBackendPolicyStatuses(
  options: BackendPolicyStatusOptions,
  signal: AbortSignal,
): Promise<void> {
  const { view, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name: 'backend-policy-status',
    log,
    metrics: queueMetrics,
    reconcile: (key, workSignal) => reconcile(key, options, workSignal),
  });
  const all = (): void => {
    for (const policy of view.backendPolicies.store.values()) queue.addAfter(objectKey(policy), GATHER_MS);
  };
  const stops = [
    // Policies compete for Services, so one that changes may concern each other one. What is written into a status does not.
    view.backendPolicies.store.onChange((change) => {
      const before = change.previous?.metadata.generation;
      if (change.type === 'set' && change.object.metadata.generation === before)
        queue.addAfter(change.key, GATHER_MS);
      else all();
    }),
    view.services.store.onChange(all),
  ];
  all();
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

async function reconcile(
  key: string,
  options: BackendPolicyStatusOptions,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { client, view, collector, clock = systemClock } = options;
  const object = view.backendPolicies.store.get(key);
  if (object === undefined || object.metadata.deleting) return undefined;
  const policy = collector.mesh.backendPolicies.get(object.metadata.uid);
  // A policy that cannot be read has targets nobody knows.
  if (policy?.ref.generation !== object.metadata.generation) return undefined;
  const ancestors = policyAncestors(object, judgeBackendPolicy(collector.mesh, policy), clock.now());
  if (ancestors === undefined) return undefined;
  try {
    // It may have been deleted in the meantime.
    await orUndefined(
      mergeStatus(client, Resources.backendPolicy, object.metadata, { status: { ancestors }, signal }),
    );
    return undefined;
  } catch (thrown) {
    if (MeshError.from(thrown).code === 'conflict') return { againAfterMs: AGAIN_MS };
    throw thrown;
  }
}
