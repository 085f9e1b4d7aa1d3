import type { Logger, Metrics } from '../base/index.js';
import {
  Informer,
  NamespacedInformer,
  createInformerMetrics,
  superviseInformers,
  type AnyInformer,
  type InformerTiming,
  type KubeClient,
  type KubeObject,
  type ReadonlyStore,
  type Resource,
} from '../kube/index.js';
import { recordedObjects } from './last-known/index.js';
import { Kinds, type Installation, type KindRow } from './kinds/index.js';

/** Everything this replica knows of the cluster, kept fresh by one informer for each row of `Kinds`. */
export type ClusterView = {
  readonly [K in keyof Kinds]: Kinds[K] extends KindRow<infer O, infer _T>
    ? Kinds[K] extends Required<Pick<KindRow, 'askedBy'>>
      ? NamespacedInformer<O>
      : Informer<O>
    : never;
};

export interface ClusterViewOptions extends Installation {
  readonly client: KubeClient;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly timing?: Partial<InformerTiming>;
}

/** Makes the informers; `runClusterView` starts them. */
export function createClusterView(options: ClusterViewOptions): ClusterView {
  const { client, timing = {} } = options;
  const log = options.log.child({ room: 'kube' });
  const all: AnyInformer[] = [];
  const metrics = createInformerMetrics(options.metrics, () => all);
  const recall = async (resource: Resource<KubeObject>): Promise<readonly KubeObject[]> => {
    await view.lastKnown.settled;
    return recordedObjects(view.lastKnown.store.values(), resource);
  };
  const make = (row: KindRow): AnyInformer => {
    const { resource, installedBy, askedBy } = row;
    const presence = { optional: installedBy !== 'kubernetes', required: installedBy !== 'others' };
    const common = { client, log, metrics, timing, resource, ...presence };
    const informer =
      askedBy === undefined
        ? new Informer({
            ...common,
            ...(row.feed?.lasting === true ? { recall: () => recall(resource) } : {}),
            ...row.within?.(options),
          })
        : new NamespacedInformer({
            ...common,
            asked: async () => {
              await Promise.all(askedBy.map((name) => view[name].settled));
            },
          });
    all.push(informer);
    return informer;
  };
  const informers = Object.entries<KindRow>(Kinds).map(([name, row]) => [name, make(row)] as const);
  // Each informer is made of the row of its name.
  const view = Object.fromEntries(informers) as unknown as ClusterView;
  return view;
}

/** A kind and the objects of it that are known. */
export interface KnownKind {
  readonly name: keyof Kinds;
  readonly row: KindRow;
  readonly store: ReadonlyStore<KubeObject>;
}

/** Every kind with its objects, to go through them all. */
export function knownKinds(view: ClusterView): readonly KnownKind[] {
  const names = Object.keys(Kinds) as (keyof Kinds)[];
  return names.map((name) => ({ name, row: Kinds[name], store: view[name].store }));
}

export interface RunClusterViewOptions {
  readonly client: KubeClient;
  readonly log: Logger;
  /** A cache is stale although the API server answers: this process should be replaced. */
  readonly restart: (reason: string) => void;
}

/** Runs the informers until the signal aborts, watched over. */
export async function runClusterView(
  view: ClusterView,
  options: RunClusterViewOptions,
  signal: AbortSignal,
): Promise<void> {
  const informers = informersOf(view);
  await Promise.all([
    ...informers.map((informer) => informer.run(signal)),
    superviseInformers({ ...options, informers }, signal),
  ]);
}

/** Settles when every kind has been listed once, is known not to exist, or is one that may be refused and is. */
export async function viewSettled(view: ClusterView): Promise<void> {
  await Promise.all(informersOf(view).map((informer) => informer.settled));
}

/** Kinds that nothing is served without and that are not there yet, each with what the API server says about it. */
export function unsettledKinds(view: ClusterView): string[] {
  return informersOf(view)
    .filter((informer) => !informer.isSettled)
    .map(({ kind, refusal }) => (refusal === undefined ? kind : `${kind} (${refusal.message})`));
}

/** Kinds that the API server refuses although we serve, each with what it says. */
export function refusedKinds(view: ClusterView): string[] {
  return informersOf(view)
    .filter((informer) => informer.isSettled)
    .flatMap(({ kind, refusal, store }) =>
      refusal === undefined ? [] : [`${kind}: ${refusal.message}; ${store.size} known objects stay in force`],
    );
}

function informersOf(view: ClusterView): readonly AnyInformer[] {
  return Object.values<AnyInformer>(view);
}
