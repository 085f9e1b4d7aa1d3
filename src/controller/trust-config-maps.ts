import { names, jittered, type Logger, type Watched, untilAborted } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import {
  Resources,
  WorkQueue,
  applyObject,
  getObject,
  type KubeClient,
  type Namespace,
  type Pod,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { isMeshed } from './collect/index.js';

export interface TrustConfigMapsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** We may read these ConfigMaps by name only, so somebody who changes one is noticed within this time. */
const LOOK_AGAIN_MS = 120_000;

/** Keeps ConfigMap `weft-trust` in every namespace that has or may get meshed pods, until the signal aborts. */
export async function publishTrust(options: TrustConfigMapsOptions, signal: AbortSignal): Promise<void> {
  const { view, issuer, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name: 'trust-config-map',
    log,
    metrics: queueMetrics,
    reconcile: (namespace, workSignal) => reconcile(namespace, options, workSignal),
  });
  const all = (): void => {
    for (const namespace of view.namespaces.store.values()) queue.add(namespace.metadata.name);
  };
  const stops = [
    view.namespaces.store.onChange((change) => queue.add(change.key)),
    view.pods.store.onChange((change) => {
      if (change.type === 'set' && change.previous === undefined && needsTrust(change.object)) {
        queue.add(change.object.metadata.namespace);
      }
    }),
  ];
  issuer.subscribe(all, signal);
  all();
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

async function reconcile(
  name: string,
  { client, view, issuer }: TrustConfigMapsOptions,
  signal: AbortSignal,
): Promise<{ againAfterMs: number } | undefined> {
  const namespace = view.namespaces.store.get(name);
  const bundle = issuer.current?.roots;
  if (bundle === undefined || namespace === undefined || !isMember(namespace, view)) return undefined;
  const at = { namespace: name, name: names.TRUST_CONFIG_MAP };
  const existing = await getObject(client, Resources.configMap, at, signal);
  if (existing?.data[names.TRUST_BUNDLE_KEY] !== bundle) {
    const metadata = { ...at, labels: { 'app.kubernetes.io/managed-by': 'weft' } };
    const data = { [names.TRUST_BUNDLE_KEY]: bundle };
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
