import { names, type Logger, type Watched } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import {
  Resources,
  applyObject,
  reconcile,
  storeSource,
  watchedSource,
  type KubeClient,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';

export interface TrustBundleOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'clusterTrustBundles' | 'podCertificateRequests'>;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly revision: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  /** How often to look whether the kind is served by now, in milliseconds. Default 15 s. */
  readonly lookMs?: number;
}

/**
 * Keeps ClusterTrustBundle `weft.dev:workload:<revision>` equal to our roots, where the cluster has such objects, until the signal
 * aborts. One for each revision, since two that rotate may distribute different roots for a while.
 */
export async function publishTrustBundle(options: TrustBundleOptions, signal: AbortSignal): Promise<void> {
  const { view, issuer, revision, log, queueMetrics } = options;
  const name = names.trustBundleName(revision);
  await reconcile(
    {
      name: 'trust-bundle',
      log,
      metrics: queueMetrics,
      initial: () => [name],
      sources: [
        storeSource(view.clusterTrustBundles.store, (change) =>
          // A kind without namespaces is known by its name.
          change.key === name ? [name] : [],
        ),
        watchedSource(issuer, () => [name]),
      ],
      reconcile: (_key, workSignal) => write(name, options, workSignal),
    },
    signal,
  );
}

async function write(
  name: string,
  { client, view, issuer, lookMs = 15_000 }: TrustBundleOptions,
  signal: AbortSignal,
): Promise<{ againAfterMs: number } | undefined> {
  const { current } = issuer;
  if (current === undefined) return undefined;
  if (!servesPodCertificates(view)) return { againAfterMs: lookMs };
  if (view.clusterTrustBundles.store.get(name)?.pem === current.roots) return undefined;
  const metadata = { name, labels: { 'app.kubernetes.io/managed-by': 'weft' } };
  const spec = { signerName: names.POD_SIGNER, trustBundle: current.roots };
  await applyObject(client, Resources.clusterTrustBundle, { metadata, spec }, { signal });
  return undefined;
}

/** Whether the API server has both kinds that pod certificates need. */
export function servesPodCertificates({
  clusterTrustBundles,
  podCertificateRequests,
}: Pick<ClusterView, 'clusterTrustBundles' | 'podCertificateRequests'>): boolean {
  return clusterTrustBundles.isServed && podCertificateRequests.isServed;
}
