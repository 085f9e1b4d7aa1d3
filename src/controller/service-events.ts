import { names, type Logger } from '../base/index.js';
import {
  EventRecorder,
  objectKey,
  reconcile,
  storeSource,
  type EventNote,
  type KubeClient,
  type QueueMetrics,
  type Reconciler,
  type Service,
} from '../kube/index.js';
import {
  hasUnknownProtocol,
  protocolDoubt,
  serviceKey,
  type ProtocolDoubt,
  type ServicePort,
} from '../model/index.js';
import type { ClusterView } from './cluster-view.js';
import { toService } from './collect/index.js';
import type { Collector } from './collector.js';
import { answersFor } from './revision.js';

export interface ServiceEventsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Pick<Collector, 'mesh'>;
  readonly revision: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/**
 * Tells Services of meshed namespaces what the mesh makes otherwise of them than their owners think: without a word they would
 * wonder where routes and request metrics are. Runs until the signal aborts.
 */
export async function reportServices(options: ServiceEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, collector, revision, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  const services = view.services.store;
  const reconciler: Reconciler = {
    name: 'service-events',
    log,
    metrics: queueMetrics,
    initial: () => [...services.values()].map(objectKey),
    sources: [
      storeSource(services, (change) => (change.type === 'set' ? [change.key] : [])),
      storeSource(view.namespaces.store, ({ key }) => [...services.inNamespace(key)].map(objectKey)),
    ],
    reconcile: async (key) => {
      const service = services.get(key);
      if (service === undefined || !isMeshedNamespace(view, service)) return undefined;
      if (!answersFor(view, revision, service.metadata)) return undefined;
      const { namespace, name, uid } = service.metadata;
      const tlsByMesh = collector.mesh.backendTlsPoliciesOn(serviceKey(namespace, name)).length > 0;
      for (const note of serviceNotes(service, tlsByMesh)) {
        await recorder.record({ apiVersion: 'v1', kind: 'Service', namespace, name, uid }, note);
      }
      return undefined;
    },
  };
  await reconcile(reconciler, signal);
}

/**
 * What to tell about a Service: what each port says wrongly of its protocol, or what its number says otherwise. Where the mesh opens
 * TLS itself (`tlsByMesh`: a BackendTLSPolicy names the Service), plain HTTP on port 443 is just what is meant.
 */
export function serviceNotes(service: Service, tlsByMesh: boolean): EventNote[] {
  const { ports } = toService(service);
  return [
    ...ports.filter(hasUnknownProtocol).map(({ port, appProtocol }) => ({
      type: 'Warning' as const,
      reason: 'UnknownAppProtocol',
      message:
        `port ${port}: the mesh does not know appProtocol ${JSON.stringify(appProtocol)} and carries its bytes unread, so ` +
        'routes, retries and request metrics do not apply; write http, http2, grpc or tcp (or their kubernetes.io/ names), ' +
        'or leave appProtocol out to have the protocol detected',
    })),
    ...ports.flatMap((port) => {
      const doubt = protocolDoubt(port);
      return doubt === undefined || (doubt === 'encrypted' && tlsByMesh) ? [] : [doubtNote(port, doubt)];
    }),
  ];
}

function doubtNote({ port, name, appProtocol }: ServicePort, doubt: ProtocolDoubt): EventNote {
  const said = appProtocol === undefined ? `the name ${JSON.stringify(name)}` : `appProtocol ${appProtocol}`;
  const message =
    doubt === 'encrypted'
      ? `port ${port}: ${said} declares plain HTTP, and the port is one of servers that speak TLS; where yours does, callers get "wrong version number": write appProtocol: https, or name the port https, or let the mesh open TLS by a BackendTLSPolicy`
      : `port ${port}: forward proxies listen here, and the mesh refuses CONNECT on ports that it reads as HTTP; write appProtocol: tcp where yours is one`;
  return { type: 'Warning', reason: 'DoubtfulProtocol', message };
}

function isMeshedNamespace(view: ClusterView, service: Service): boolean {
  const labels = view.namespaces.store.get(service.metadata.namespace)?.metadata.labels;
  return labels?.[names.Label.inject] === 'enabled';
}
