import { systemClock, type Clock, type Logger, untilAborted } from '../base/index.js';
import {
  Resources,
  WorkQueue,
  applyObject,
  objectKey,
  orUndefined,
  type KubeClient,
  type QueueMetrics,
} from '../kube/index.js';
import { judge } from '../model/index.js';
import { replicasOf, type OwnAcks, type OwnPod } from './acks.js';
import { totalAcks } from './ack-summary.js';
import type { ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';
import { policyConditions, sameConditions } from './policy-status.js';

export interface StatusWriterOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly own: OwnAcks;
  readonly pod: OwnPod | undefined;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Changes of the mesh come in crowds, and proxies answer within milliseconds: one write for all of that. */
const GATHER_MS = 150;

/** Keeps the status of every TrafficPolicy true, as long as this replica leads. */
export async function writeStatuses(options: StatusWriterOptions, signal: AbortSignal): Promise<void> {
  const { view, own, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name: 'policy-status',
    log,
    metrics: queueMetrics,
    reconcile: async (key, workSignal) => {
      await reconcile(key, options, workSignal);
      return undefined;
    },
  });
  const all = (): void => {
    for (const policy of view.policies.store.values()) queue.addAfter(objectKey(policy), GATHER_MS);
  };
  const some = (uids: ReadonlySet<string>): void => {
    for (const policy of view.policies.store.values()) {
      if (uids.has(policy.metadata.uid)) queue.addAfter(objectKey(policy), GATHER_MS);
    }
  };
  const stops = [
    own.onChange(some),
    // Policies compete for targets, so one that changes may concern each other one; as do Services that come and go.
    // What we write ourselves comes back, too, and concerns nobody else.
    view.policies.store.onChange((change) => {
      const before = change.previous?.metadata.generation;
      if (change.type === 'set' && change.object.metadata.generation === before)
        queue.addAfter(change.key, GATHER_MS);
      else all();
    }),
    view.services.store.onChange(all),
    // Routes of Gateway API come before those of a policy.
    view.httpRoutes.store.onChange(all),
    view.grpcRoutes.store.onChange(all),
    view.acks.store.onChange((change) => {
      const now = change.type === 'set' ? change.object.report : {};
      some(new Set([...Object.keys(change.previous?.report ?? {}), ...Object.keys(now)]));
    }),
  ];
  all();
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

async function reconcile(key: string, options: StatusWriterOptions, signal: AbortSignal): Promise<void> {
  const { client, view, collector, own, pod, clock = systemClock } = options;
  const object = view.policies.store.get(key);
  if (object === undefined || object.metadata.deleting) return;
  const { uid, generation, name, namespace } = object.metadata;
  const policy = collector.mesh.policies.get(uid);
  const judged = policy?.ref.generation === generation ? judge(collector.mesh, policy) : [];
  const acks = totalAcks(replicasOf(uid, own, view, pod), generation);
  const conditions = policyConditions(object, [...collector.problemsOf(uid), ...judged], acks, clock.now());
  if (sameConditions(conditions, object.conditions)) return;
  const manifest = { metadata: { name, namespace }, status: { conditions } };
  // It may have been deleted in the meantime.
  await orUndefined(
    applyObject(client, Resources.trafficPolicy, manifest, { subresource: 'status', signal }),
  );
}
