import { names, jittered, type Logger, type Watched } from '../base/index.js';
import { fingerprintOf, type IssuerMaterial } from '../identity/index.js';
import {
  Resources,
  applyObject,
  getObject,
  objectKey,
  reconcile,
  storeSource,
  watchedSource,
  type KubeClient,
  type Namespace,
  type Pod,
  type QueueMetrics,
  type Reconciler,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { isMeshed } from './collect/index.js';
import { answersFor } from './revision.js';

export interface TrustConfigMapsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly revision: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** We may read these ConfigMaps by name only, so somebody who changes one is noticed within this time, and up to half of it more. */
const LOOK_AGAIN_MS = 120_000;

/** Keeps ConfigMap `weft-trust` in every namespace that has or may get meshed pods, until the signal aborts. */
export async function publishTrust(options: TrustConfigMapsOptions, signal: AbortSignal): Promise<void> {
  const { view, issuer, log, queueMetrics } = options;
  const all = (): string[] => [...view.namespaces.store.values()].map(objectKey);
  const reconciler: Reconciler = {
    name: 'trust-config-map',
    log,
    metrics: queueMetrics,
    initial: all,
    sources: [
      storeSource(view.namespaces.store, ({ key }) => [key]),
      storeSource(view.pods.store, (change) =>
        change.type === 'set' && change.previous === undefined && needsTrust(change.object)
          ? [change.object.metadata.namespace]
          : [],
      ),
      watchedSource(issuer, all),
    ],
    reconcile: (namespace, workSignal) => writeConfigMap(namespace, options, workSignal),
  };
  await reconcile(reconciler, signal);
}

async function writeConfigMap(
  name: string,
  { client, view, issuer, revision }: TrustConfigMapsOptions,
  signal: AbortSignal,
): Promise<{ againAfterMs: number } | undefined> {
  const namespace = view.namespaces.store.get(name);
  const { current } = issuer;
  if (current === undefined || namespace === undefined || !isMember(namespace, view)) return undefined;
  if (!answersFor(view, revision, { namespace: name, labels: {} })) return undefined;
  const at = { namespace: name, name: names.TRUST_CONFIG_MAP };
  const existing = await getObject(client, Resources.configMap, at, signal);
  const data = {
    [names.TRUST_BUNDLE_KEY]: current.roots,
    [names.TRUST_ISSUER_KEY]: fingerprintOf(current.chain),
  };
  if (Object.entries(data).some(([key, text]) => existing?.data[key] !== text)) {
    const metadata = { ...at, labels: { 'app.kubernetes.io/managed-by': 'weft' } };
    await applyObject(client, Resources.configMap, { metadata, data }, { signal });
  }
  return { againAfterMs: jittered(LOOK_AGAIN_MS, 0.5) };
}

/** By its own label, or because a pod in it has opted in. */
function isMember(namespace: Namespace, view: ClusterView): boolean {
  if (namespace.metadata.deleting || namespace.phase === 'Terminating') return false;
  if (namespace.metadata.labels[names.Label.inject] === 'enabled') return true;
  return [...view.pods.store.inNamespace(namespace.metadata.name)].some(needsTrust);
}

function needsTrust(pod: Pod): boolean {
  return isMeshed(pod) || pod.metadata.labels[names.Label.inject] === 'enabled';
}
