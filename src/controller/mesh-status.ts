import { isDeepStrictEqual } from 'node:util';
import { names, systemClock, type Clock, type Logger, untilAborted } from '../base/index.js';
import {
  Resources,
  WorkQueue,
  applyObject,
  orUndefined,
  type Condition,
  type KubeClient,
  type MeshObject,
  type QueueMetrics,
} from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';
import { SUPPORTED_FEATURES } from './supported-features.js';

export interface MeshStatusOptions {
  readonly client: KubeClient;
  readonly view: Pick<ClusterView, 'meshes'>;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Tells in the status of an XMesh of ours what Weft supports (GEP-3949), as long as this replica leads. */
export async function writeMeshStatuses(options: MeshStatusOptions, signal: AbortSignal): Promise<void> {
  const { view, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name: 'mesh-status',
    log,
    metrics: queueMetrics,
    reconcile: async (key, workSignal) => {
      await reconcile(key, options, workSignal);
      return undefined;
    },
  });
  const stop = view.meshes.store.onChange(({ key }) => queue.add(key));
  for (const { metadata } of view.meshes.store.values()) queue.add(metadata.name);
  await untilAborted(signal);
  stop();
  await queue.stop();
}

async function reconcile(key: string, options: MeshStatusOptions, signal: AbortSignal): Promise<void> {
  const { client, view, clock = systemClock } = options;
  const mesh = view.meshes.store.get(key);
  if (mesh === undefined || mesh.metadata.deleting) return;
  if (mesh.controllerName !== names.ROUTE_CONTROLLER) return;
  const accepted = judge(mesh, clock.now());
  const features = accepted.status === 'True' ? SUPPORTED_FEATURES : [];
  const existing = mesh.conditions.find(({ type }) => type === 'Accepted');
  if (isDeepStrictEqual(existing, accepted) && isDeepStrictEqual(mesh.features, features)) return;
  const status = { conditions: [accepted], supportedFeatures: features.map((name) => ({ name })) };
  const manifest = { metadata: { name: mesh.metadata.name }, status };
  // It may have been deleted in the meantime.
  await orUndefined(applyObject(client, Resources.mesh, manifest, { subresource: 'status', signal }));
}

/** Weft has its settings in a MeshConfig and takes none from here. */
function judge(mesh: MeshObject, now: number): Condition {
  const existing = mesh.conditions.find(({ type }) => type === 'Accepted');
  const verdict = mesh.hasParameters
    ? ({
        status: 'False',
        reason: 'InvalidParameters',
        message:
          'spec.parametersRef: Weft takes no parameters here; remove it and use the MeshConfig named default',
      } as const)
    : ({ status: 'True', reason: 'Accepted', message: 'Weft is this mesh.' } as const);
  return {
    type: 'Accepted',
    ...verdict,
    observedGeneration: mesh.metadata.generation,
    lastTransitionTime:
      existing?.status === verdict.status
        ? existing.lastTransitionTime
        : new Date(now).toISOString().replace(/\.\d+Z$/, 'Z'),
  };
}
