import {
  systemClock,
  untilAborted,
  type Clock,
  type Logger,
  type Metrics,
  type Watched,
} from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { createQueueMetrics, type KubeClient } from '../kube/index.js';
import type { TrustStanding } from '../proxies/index.js';
import type { OwnAcks } from './acks.js';
import { viewSettled, type ClusterView } from './cluster-view.js';
import type { Absences } from './absences.js';
import type { Collector } from './collector.js';
import { reportInjection } from './injection-events.js';
import { reportPolicies } from './policy-events.js';
import type { Peers } from './peers.js';
import { keepKeySets } from './key-sets/index.js';
import { recordLastKnown } from './last-known/index.js';
import { Rotation } from './rotation/index.js';
import { reportServices } from './service-events.js';
import { reportRejections } from './rejection-events.js';
import { writeStatuses } from './status-writer.js';
import { signPodCertificates } from './sign-pod-certificates.js';
import { publishTrustBundle } from './trust-bundle.js';
import { publishTrust } from './trust-config-maps.js';
import { keepTrustSecrets } from './trust-secrets.js';
import { evictUnmeshed, evictionMetrics } from './evictions.js';
import { evictMissed } from './missed-pods.js';
import { WebhookKeeper } from './webhook-keeper.js';

export interface LeaderOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly own: OwnAcks;
  readonly peers: Peers;
  /** How this replica's proxies stand to roots and issuer. */
  readonly trust?: () => TrustStanding | undefined;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly trustDomain: string;
  /** Networks (CIDR) beside the internet from which keys of JwtIssuers may be fetched. Default: none. */
  readonly privateNetworks?: readonly string[];
  /** Evict pods that should have a proxy and have none, at most so many in a minute. Absent: never. */
  readonly evict?: { readonly absences: Absences; readonly perMinute: number } | undefined;
  /** Evict pods that the CNI plugin has missed. Default: no. */
  readonly evictsMissed?: boolean;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly clock?: Clock;
  /** How often to look at root and issuer while something is to be done. Default 2 s. */
  readonly lookAtTrustMs?: number;
}

/**
 * What only one replica may do: everything that writes to the cluster. Make it once, call the answer at each win of
 * the election. Root and issuer come first, because replicas that wait for them are not ready; the rest reads caches.
 */
export function leaderWork(options: LeaderOptions): (signal: AbortSignal) => Promise<void> {
  const log = options.log.child({ room: 'leader' });
  const queueMetrics = createQueueMetrics(options.metrics);
  const shared = { ...options, log, queueMetrics };
  const { clock = systemClock, privateNetworks = [] } = options;
  const { view, peers, trust } = options;
  const rotation = new Rotation({
    ...shared,
    clock,
    records: view.rotation.store,
    pods: view.pods.store,
    reports: () => [trust?.(), ...peers.reports().map(({ report }) => report.trust)],
  });
  const wake = (listener: () => void, signal: AbortSignal): void => {
    signal.addEventListener('abort', view.rotation.store.onChange(listener), { once: true });
  };
  const webhook = new WebhookKeeper(shared);
  const evicted = evictionMetrics(options.metrics);
  const evictions = async (signal: AbortSignal): Promise<void> =>
    options.evict === undefined
      ? undefined
      : evictUnmeshed({ ...shared, ...options.evict, webhook: webhook.state, evicted }, signal);
  const missed = async (signal: AbortSignal): Promise<void> =>
    options.evictsMissed === true ? evictMissed({ ...shared, evicted }, signal) : undefined;
  const keySetOptions = { ...shared, clock, privateNetworks };
  return async (signal) => {
    // One that fails ends the others, the leading and, since somebody must notice, the process.
    const broken = new AbortController();
    const either = AbortSignal.any([signal, broken.signal]);
    const caches = async (): Promise<void> => {
      await Promise.race([viewSettled(options.view), untilAborted(either)]);
      if (either.aborted) return;
      await Promise.all([
        writeStatuses(shared, either),
        publishTrust(shared, either),
        publishTrustBundle(shared, either),
        signPodCertificates(shared, either),
        reportInjection(shared, either),
        reportServices(shared, either),
        reportPolicies(shared, either),
        reportRejections(shared, either),
        recordLastKnown(shared, either),
        keepKeySets(keySetOptions, either),
        evictions(either),
        missed(either),
      ]);
    };
    try {
      await Promise.all([
        keepTrustSecrets({ ...shared, rotation, wake, urgentMs: options.lookAtTrustMs }, either),
        webhook.run(either),
        caches(),
      ]);
    } finally {
      broken.abort();
    }
  };
}
