import { names, type Logger, untilAborted } from '../base/index.js';
import {
  EventRecorder,
  WorkQueue,
  objectKey,
  type EventNote,
  type KubeClient,
  type QueueMetrics,
  type Service,
} from '../kube/index.js';
import { hasUnknownProtocol } from '../model/index.js';
import type { ClusterView } from './cluster-view.js';
import { toService } from './collect/index.js';

export interface ProtocolEventsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/**
 * Tells Services of meshed namespaces whose `appProtocol` is not known that it is carried as bytes: without a word their
 * owners would wonder where routes and request metrics are. Runs until the signal aborts.
 */
export async function reportProtocols(options: ProtocolEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  const queue = new WorkQueue({
    name: 'protocol-events',
    log,
    metrics: queueMetrics,
    reconcile: async (key) => {
      const service = view.services.store.get(key);
      if (service === undefined || !isMeshedNamespace(view, service)) return undefined;
      const { namespace, name, uid } = service.metadata;
      for (const note of protocolNotes(service)) {
        await recorder.record({ apiVersion: 'v1', kind: 'Service', namespace, name, uid }, note);
      }
      return undefined;
    },
  });
  const stops = [
    view.services.store.onChange((change) => {
      if (change.type === 'set') queue.add(change.key);
    }),
    view.namespaces.store.onChange((change) => {
      for (const service of view.services.store.inNamespace(change.key)) queue.add(objectKey(service));
    }),
  ];
  for (const service of view.services.store.values()) queue.add(objectKey(service));
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

/** One note for each port whose protocol is not known. */
export function protocolNotes(service: Service): EventNote[] {
  return toService(service)
    .ports.filter(hasUnknownProtocol)
    .map(({ port, appProtocol }) => ({
      type: 'Warning',
      reason: 'UnknownAppProtocol',
      message:
        `port ${port}: the mesh does not know appProtocol ${JSON.stringify(appProtocol)} and carries its bytes unread, so ` +
        'routes, retries and request metrics do not apply; write http, http2, grpc or tcp (or their kubernetes.io/ names), ' +
        'or leave appProtocol out to have the protocol detected',
    }));
}

function isMeshedNamespace(view: ClusterView, service: Service): boolean {
  const labels = view.namespaces.store.get(service.metadata.namespace)?.metadata.labels;
  return labels?.[names.Label.inject] === 'enabled';
}
