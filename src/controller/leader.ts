import { untilAborted, type Clock, type Logger, type Metrics, type Watched } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { createQueueMetrics, type KubeClient } from '../kube/index.js';
import type { OwnAcks, OwnPod } from './acks.js';
import { writeBackendPolicyStatuses } from './backend-policy-status-writer.js';
import { viewSynced, type ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';
import { reportInjection } from './injection-events.js';
import { reportProtocols } from './protocol-events.js';
import { writeMeshStatuses } from './mesh-status.js';
import { writeRouteStatuses } from './route-status-writer.js';
import { writeStatuses } from './status-writer.js';
import { publishTrust } from './trust-config-maps.js';
import { keepTrustSecrets } from './trust-secrets.js';
import { keepWebhookCa } from './webhook-ca.js';

export interface LeaderOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly own: OwnAcks;
  readonly pod: OwnPod | undefined;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly trustDomain: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
}

/**
 * What only one replica may do: everything that writes to the cluster. Make it once, call the answer at each win of
 * the election. Root and issuer come first, because replicas that wait for them are not ready; the rest reads caches.
 */
export function leaderWork(options: LeaderOptions): (signal: AbortSignal) => Promise<void> {
  const log = options.log.child({ room: 'leader' });
  const queueMetrics = createQueueMetrics(options.metrics);
  const shared = { ...options, log, queueMetrics };
  return async (signal) => {
    // One that fails ends the others, the leading and, since somebody must notice, the process.
    const broken = new AbortController();
    const either = AbortSignal.any([signal, broken.signal]);
    const caches = async (): Promise<void> => {
      await Promise.race([viewSynced(options.view), untilAborted(either)]);
      if (either.aborted) return;
      await Promise.all([
        writeStatuses(shared, either),
        writeRouteStatuses(shared, either),
        writeBackendPolicyStatuses(shared, either),
        writeMeshStatuses(shared, either),
        publishTrust(shared, either),
        reportInjection(shared, either),
        reportProtocols(shared, either),
      ]);
    };
    try {
      await Promise.all([keepTrustSecrets(shared, either), keepWebhookCa(shared, either), caches()]);
    } finally {
      broken.abort();
    }
  };
}
