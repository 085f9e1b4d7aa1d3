import type { Logger } from '../base/index.js';
import {
  EventRecorder,
  objectKey,
  reconcile,
  storeSource,
  type KubeClient,
  type KubeObject,
  type QueueMetrics,
  type Reconciler,
} from '../kube/index.js';
import { knownKinds, type ClusterView } from './cluster-view.js';
import type { KindRow } from './kinds/index.js';
import { answersFor } from './revision.js';

export interface PolicyEventsOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly revision: string;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
}

/**
 * Tells a policy, and whatever of ours is judged like one, what keeps it from acting, so that `kubectl describe` shows it.
 * Runs until the signal aborts.
 */
export async function reportPolicies(options: PolicyEventsOptions, signal: AbortSignal): Promise<void> {
  const { client, view, revision, log, queueMetrics } = options;
  const recorder = new EventRecorder({ client, log, component: 'weft' });
  const kinds = new Map(
    knownKinds(view).flatMap(({ row, store }) =>
      row.status?.notes === undefined ? [] : [[row.resource.kind, { row, store }] as const],
    ),
  );
  const keysOf = (kind: string, objects: Iterable<KubeObject>): string[] =>
    [...objects].map((object) => `${kind} ${objectKey(object)}`);
  const reconciler: Reconciler = {
    name: 'policy-events',
    log,
    metrics: queueMetrics,
    initial: () => [...kinds].flatMap(([kind, { store }]) => keysOf(kind, store.values())),
    sources: [...kinds].map(([kind, { store }]) =>
      storeSource(store, (change) => (change.type === 'set' ? keysOf(kind, [change.object]) : [])),
    ),
    reconcile: async (queued) => {
      const [kind = '', key = ''] = queued.split(' ');
      const known = kinds.get(kind);
      const object = known?.store.get(key);
      if (known === undefined || object === undefined) return undefined;
      if (!answersFor(view, revision, object.metadata)) return undefined;
      await report(recorder, known.row, object);
      return undefined;
    },
  };
  await reconcile(reconciler, signal);
}

async function report(
  recorder: EventRecorder,
  { resource: { apiVersion, kind }, status }: KindRow,
  object: KubeObject,
): Promise<void> {
  const { namespace, name, uid } = object.metadata;
  for (const note of status?.notes?.(object) ?? []) {
    await recorder.record({ apiVersion, kind, namespace, name, uid }, note);
  }
}
