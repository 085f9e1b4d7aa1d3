import { unknownNames } from '../api/index.js';
import { asksOutside, cut, names, systemClock, type Logger } from '../base/index.js';
import {
  EventRecorder,
  objectKey,
  reconcile,
  storeSource,
  type EventNote,
  type EventTarget,
  type KubeClient,
  type Pod,
  type QueueMetrics,
  type Reconciler,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { hasEnded, hasOurProxy, isMeshed } from './collect/index.js';
import { namesRevision } from './revision.js';
import { NEVER_INJECTED } from './webhook-entries.js';

export interface InjectionEventsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly revision: string;
  readonly systemNamespace: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/** Why a pod that is selected for the mesh has no proxy; undefined: it has one, or should have none. */
export type Absence =
  | { readonly kind: 'skipped'; readonly why: string }
  | { readonly kind: 'missing' }
  /** A container with the proxy's name, and not what the webhook writes. */
  | { readonly kind: 'forged' };

/** Judges one pod by the same labels that the webhook's selectors read. */
export function proxyAbsence(
  pod: Pod,
  namespaceLabels: Readonly<Record<string, string>>,
  revision: string,
): Absence | undefined {
  if (hasOurProxy(pod) || hasEnded(pod) || NEVER_INJECTED.includes(pod.metadata.namespace)) return undefined;
  const decision = pod.metadata.annotations[names.Annotation.injection] ?? '';
  if (isMeshed(pod)) return { kind: 'forged' };
  if (decision.startsWith('skipped')) return { kind: 'skipped', why: decision };
  return isSelected(pod, namespaceLabels, revision) ? { kind: 'missing' } : undefined;
}

/** What the chart's webhook entries select, as one expression. */
function isSelected(pod: Pod, namespaceLabels: Readonly<Record<string, string>>, revision: string): boolean {
  const { inject } = names.Label;
  if (!namesRevision(namespaceLabels, revision)) return false;
  const own = pod.metadata.labels[inject];
  const fromNamespace = namespaceLabels[inject];
  return fromNamespace === undefined ? own === 'enabled' : fromNamespace === 'enabled' && own !== 'disabled';
}

/** Tells owners of pods, or the pods, why they have no proxy. Runs until the signal aborts. */
export async function reportInjection(options: InjectionEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  const pods = view.pods.store;
  const reconciler: Reconciler = {
    name: 'injection-events',
    log,
    metrics: queueMetrics,
    initial: () => [...pods.values()].map(objectKey),
    sources: [
      storeSource(pods, (change) =>
        change.type === 'set' && change.previous === undefined ? [change.key] : [],
      ),
      storeSource(view.namespaces.store, ({ key }) => [...pods.inNamespace(key)].map(objectKey)),
    ],
    reconcile: async (key) => {
      const pod = pods.get(key);
      const absence = pod === undefined ? undefined : absenceOf(pod, options);
      if (pod === undefined) return undefined;
      if (absence !== undefined) await recorder.record(ownerOrPod(pod), noteOf(absence));
      for (const note of unreadNotes(pod)) await recorder.record(ownerOrPod(pod), note);
      if (!waitsForName(pod)) return undefined;
      if (!isLate(pod)) return { againAfterMs: LATE_MS };
      await recorder.record(ownerOrPod(pod), nameNote(pod, options));
      return undefined;
    },
  };
  await reconcile(reconciler, signal);
}

/** Why a pod of the cache has no proxy although it should. */
export function absenceOf(
  pod: Pod,
  options: Pick<InjectionEventsOptions, 'revision' | 'systemNamespace'> & {
    readonly view: Pick<ClusterView, 'namespaces'>;
  },
): Absence | undefined {
  const { namespace } = pod.metadata;
  if (namespace === options.systemNamespace) return undefined;
  return proxyAbsence(
    pod,
    options.view.namespaces.store.get(namespace)?.metadata.labels ?? {},
    options.revision,
  );
}

/** What an event about a pod is about. The owner first: that is what somebody describes when pods are not as expected, and it outlives them. */
export function ownerOrPod({ metadata }: Pod): EventTarget {
  const { namespace, name, uid, owner } = metadata;
  if (owner === undefined) return { apiVersion: 'v1', kind: 'Pod', namespace, name, uid };
  return { apiVersion: owner.apiVersion, kind: owner.kind, namespace, name: owner.name, uid: owner.uid };
}

/** Labels and annotations of a meshed pod that nobody reads. Whoever creates the pod by a workload sees no warning. */
function unreadNotes(pod: Pod): readonly EventNote[] {
  if (!isMeshed(pod)) return [];
  return unknownNames(pod.metadata).map((message) => ({
    type: 'Warning',
    reason: 'UnknownAnnotation',
    message,
  }));
}

/** A pod whose proxy has not reached the control plane after so long does not start by itself any more. */
const LATE_MS = 30_000;

/** Whether the pod has not started, and may not be able to: its proxy waits for a name that its name servers may not know. */
function waitsForName(pod: Pod): boolean {
  return asksOutside(pod.dnsPolicy) && hasOurProxy(pod) && pod.phase === 'Pending';
}

/** Its network is there, so that it no longer waits for a node, and it had the time. */
function isLate({ metadata, ips }: Pod): boolean {
  return ips.length > 0 && systemClock.now() - Date.parse(metadata.creationTimestamp) >= LATE_MS;
}

function nameNote(
  { dnsPolicy }: Pod,
  { revision, systemNamespace }: Pick<InjectionEventsOptions, 'revision' | 'systemNamespace'>,
): EventNote {
  const host = `${names.revisionName(revision)}.${systemNamespace}.svc`;
  return {
    type: 'Warning',
    reason: 'ControlPlaneName',
    message:
      `the pod has not started, probably because its proxy does not find the control plane: with dnsPolicy ${dnsPolicy} the pod's ` +
      `name servers must resolve ${host} with the cluster's domain; name those of the cluster in dnsConfig, or use dnsPolicy ClusterFirst`,
  };
}

/** The same words for all pods of an owner, so that they make one event. */
function noteOf(absence: Absence): EventNote {
  if (absence.kind === 'skipped') {
    return {
      type: 'Normal',
      reason: 'InjectionSkipped',
      // The words of an annotation, which anybody may have written.
      message: `no proxy was added to the pod, ${cut(absence.why)}`,
    };
  }
  if (absence.kind === 'forged') {
    return {
      type: 'Warning',
      reason: 'InjectionForged',
      message: `the pod has a container ${names.PROXY_CONTAINER} that is not the proxy that Weft adds, so it is not counted as meshed; remove the containers ${names.PROXY_CONTAINER} and ${names.INIT_CONTAINER} from its template; Weft adds them`,
    };
  }
  return {
    type: 'Warning',
    reason: 'InjectionMissing',
    message:
      'the pod should have a proxy and has none, because it is older than the label on its namespace or was created while ' +
      `the webhook was not in place; recreate it (kubectl rollout restart), or opt out with the label ${names.Label.inject}=disabled`,
  };
}
