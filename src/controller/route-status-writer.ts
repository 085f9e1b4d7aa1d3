import { MeshError, systemClock, type Clock, type Logger, untilAborted } from '../base/index.js';
import {
  Resources,
  WorkQueue,
  mergeStatus,
  objectKey,
  orUndefined,
  type Informer,
  type KubeClient,
  type Outcome,
  type QueueMetrics,
  type RouteObject,
} from '../kube/index.js';
import { judgeRoute, type RouteKind } from '../model/index.js';
import type { ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';
import { routeParents } from './route-status.js';

export interface RouteStatusOptions {
  readonly client: KubeClient;
  readonly view: ClusterView;
  readonly collector: Collector;
  readonly log: Logger;
  readonly queueMetrics: QueueMetrics;
  readonly clock?: Clock;
}

/** Changes of the mesh come in crowds: one write for all of that. */
const GATHER_MS = 150;

/** Somebody else wrote in between; the informer brings the object as it is now. */
const AGAIN_MS = 200;

/** Keeps our part of the status of every HTTPRoute and GRPCRoute true, as long as this replica leads. */
export async function writeRouteStatuses(options: RouteStatusOptions, signal: AbortSignal): Promise<void> {
  const { view, log, queueMetrics } = options;
  const queue = new WorkQueue({
    name: 'route-status',
    log,
    metrics: queueMetrics,
    reconcile: (key, workSignal) => reconcile(key, options, workSignal),
  });
  const all = (): void => {
    for (const kind of KINDS) {
      for (const route of routesOf(view, kind).store.values()) {
        queue.addAfter(`${kind} ${objectKey(route)}`, GATHER_MS);
      }
    }
  };
  const stops = [
    // Routes compete for parents, so one that changes may concern each other one. What is written into a status does not.
    ...KINDS.map((kind) =>
      routesOf(view, kind).store.onChange((change) => {
        const before = change.previous?.metadata;
        if (change.type === 'set' && change.object.metadata.generation === before?.generation)
          queue.addAfter(`${kind} ${change.key}`, GATHER_MS);
        else all();
      }),
    ),
    view.services.store.onChange(all),
  ];
  all();
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

const KINDS: readonly RouteKind[] = ['HTTPRoute', 'GRPCRoute'];

function routesOf(view: ClusterView, kind: RouteKind): Informer<RouteObject> {
  return kind === 'HTTPRoute' ? view.httpRoutes : view.grpcRoutes;
}

async function reconcile(
  key: string,
  options: RouteStatusOptions,
  signal: AbortSignal,
): Promise<Outcome | undefined> {
  const { client, view, collector, clock = systemClock } = options;
  const [kind, at] = splitKindKey(key);
  const object = routesOf(view, kind).store.get(at);
  if (object === undefined || object.metadata.deleting) return undefined;
  const route = collector.mesh.routes.get(object.metadata.uid);
  // A route that cannot be read has parents nobody knows.
  if (route?.ref.generation !== object.metadata.generation) return undefined;
  const parents = routeParents(object, judgeRoute(collector.mesh, route), clock.now());
  if (parents === undefined) return undefined;
  const resource = kind === 'HTTPRoute' ? Resources.httpRoute : Resources.grpcRoute;
  try {
    // It may have been deleted in the meantime.
    await orUndefined(mergeStatus(client, resource, object.metadata, { status: { parents }, signal }));
    return undefined;
  } catch (thrown) {
    if (MeshError.from(thrown).code === 'conflict') return { againAfterMs: AGAIN_MS };
    throw thrown;
  }
}

function splitKindKey(key: string): [kind: RouteKind, key: string] {
  const [kind = '', at = ''] = key.split(' ');
  return [kind === 'GRPCRoute' ? 'GRPCRoute' : 'HTTPRoute', at];
}
