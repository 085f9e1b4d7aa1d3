import { names, type Logger, type Metrics, untilAborted } from '../base/index.js';
import {
  EventRecorder,
  WorkQueue,
  objectKey,
  type EventNote,
  type EventTarget,
  type KubeClient,
  type Pod,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { hasEnded, isMeshed } from './collect/index.js';

export interface InjectionEventsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** Why a pod that is selected for the mesh has no proxy; undefined: it has one, or should have none. */
export type Absence = { readonly kind: 'skipped'; readonly why: string } | { readonly kind: 'missing' };

/** Namespaces that no webhook entry selects. */
const NEVER = new Set(['kube-system', 'kube-public', 'kube-node-lease', names.SYSTEM_NAMESPACE]);

/** Judges one pod by the same labels that the webhook's selectors read. */
export function proxyAbsence(
  pod: Pod,
  namespaceLabels: Readonly<Record<string, string>>,
  revision: string,
): Absence | undefined {
  if (isMeshed(pod) || hasEnded(pod) || NEVER.has(pod.metadata.namespace)) return undefined;
  const decision = pod.metadata.annotations[names.Annotation.injection] ?? '';
  if (decision.startsWith('skipped')) return { kind: 'skipped', why: decision };
  return isSelected(pod, namespaceLabels, revision) ? { kind: 'missing' } : undefined;
}

/** What the chart's webhook entries select, as one expression. */
function isSelected(pod: Pod, namespaceLabels: Readonly<Record<string, string>>, revision: string): boolean {
  const { inject, rev } = names.Label;
  if ((namespaceLabels[rev] ?? 'default') !== revision) return false;
  const own = pod.metadata.labels[inject];
  const fromNamespace = namespaceLabels[inject];
  return fromNamespace === undefined ? own === 'enabled' : fromNamespace === 'enabled' && own !== 'disabled';
}

/** Tells owners of pods, or the pods, why they have no proxy. Runs until the signal aborts. */
export async function reportInjection(options: InjectionEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  const queue = new WorkQueue({
    name: 'injection-events',
    log,
    metrics: queueMetrics,
    reconcile: async (key) => {
      const pod = view.pods.store.get(key);
      const absence = pod === undefined ? undefined : absenceOf(pod, options);
      if (pod !== undefined && absence !== undefined) await recorder.record(targetOf(pod), noteOf(absence));
      return undefined;
    },
  });
  const stops = [
    view.pods.store.onChange((change) => {
      if (change.type === 'set' && change.previous === undefined) queue.add(change.key);
    }),
    view.namespaces.store.onChange((change) => {
      for (const pod of view.pods.store.inNamespace(change.key)) queue.add(objectKey(pod));
    }),
  ];
  for (const pod of view.pods.store.values()) queue.add(objectKey(pod));
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

/** Gauge that every replica answers alike: how many pods should have a proxy and have none. */
export function countAbsences(
  metrics: Metrics,
  options: Pick<InjectionEventsOptions, 'view' | 'revision' | 'systemNamespace'>,
): void {
  metrics.gauge(
    'weft_pods_without_proxy',
    'Pods selected for the mesh that run without a proxy.',
    ['kind'],
    (gauge) => {
      const counts = { skipped: 0, missing: 0 };
      for (const pod of options.view.pods.store.values()) {
        const absence = absenceOf(pod, options);
        if (absence !== undefined) counts[absence.kind] += 1;
      }
      for (const [kind, count] of Object.entries(counts))
        gauge.set({ kind: kind === 'skipped' ? 'skipped' : 'missing' }, count);
    },
  );
}

function absenceOf(
  pod: Pod,
  options: Pick<InjectionEventsOptions, 'view' | 'revision' | 'systemNamespace'>,
): Absence | undefined {
  const { namespace } = pod.metadata;
  if (namespace === options.systemNamespace) return undefined;
  return proxyAbsence(
    pod,
    options.view.namespaces.store.get(namespace)?.metadata.labels ?? {},
    options.revision,
  );
}

/** The owner first: that is what somebody describes when pods are not as expected, and it outlives them. */
function targetOf({ metadata }: Pod): EventTarget {
  const { namespace, name, uid, owner } = metadata;
  if (owner === undefined) return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
  return { apiVersion: owner.apiVersion, kind: owner.kind, namespace, name: owner.name, uid: owner.uid };
}

/** The same words for all pods of an owner, so that they make one event. */
function noteOf(absence: Absence): EventNote {
  if (absence.kind === 'skipped') {
    return {
      type: 'Normal',
      reason: 'InjectionSkipped',
      message: `no proxy was added to the pod, ${absence.why}`,
    };
  }
  return {
    type: 'Warning',
    reason: 'InjectionMissing',
    message:
      'the pod should have a proxy and has none, because it is older than the label on its namespace or was created while ' +
      `the webhook was not in place; create it anew (kubectl rollout restart), or opt out with the label ${names.Label.inject}=disabled`,
  };
}
