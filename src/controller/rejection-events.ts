import type { Logger } from '../base/index.js';
import { EventRecorder, reconcile, storeSource, type KubeClient, type QueueMetrics } from '../kube/index.js';
import type { ReplicaRejection } from './ack-summary.js';
import { rejectionsOf, type OwnAcks } from './acks.js';
import type { ClusterView } from './cluster-view.js';
import type { Peers } from './peers.js';

export interface RejectionEventsOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'acks'>;
  readonly own: OwnAcks;
  readonly peers: Peers;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** The one key: a look at all rejections, which are few. */
const ALL = 'all';
const GATHER_MS = 500;

/** Tells pods whose proxy rejects its configuration, until the signal aborts: no policy's status may show it. */
export async function reportRejections(options: RejectionEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, own, peers, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  await reconcile(
    {
      name: 'rejection-events',
      log,
      metrics: queueMetrics,
      gatherMs: GATHER_MS,
      initial: () => [ALL],
      sources: [(due) => own.onChange(() => due([ALL])), storeSource(view.acks.store, () => [ALL])],
      reconcile: async () => {
        for (const rejection of rejectionsOf(own, peers)) await record(recorder, rejection);
        return undefined;
      },
    },
    signal,
  );
}

async function record(
  recorder: EventRecorder,
  { pod, uid, resource, reason }: ReplicaRejection,
): Promise<void> {
  const [namespace = '', name = ''] = pod.split('/');
  const cause =
    reason === 'UnknownFeature'
      ? 'it is older than the control plane and does not know a feature that is used; recreate the pod to get the current proxy'
      : 'it finds the resource invalid, which is a fault of Weft or of this proxy; its log says what is wrong';
  await recorder.record(
    { apiVersion: 'v1', kind: 'Pod', namespace, name, uid },
    {
      type: 'Warning',
      reason: 'ConfigurationRejected',
      message: `the proxy rejected ${resource} (${reason}) and keeps its previous version: ${cause}`,
    },
  );
}
