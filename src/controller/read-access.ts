import { MeshError, names } from '../base/index.js';
import {
  getObject,
  listObjects,
  orUndefined,
  type CustomObject,
  type KubeClient,
  type KubeObject,
  type Resource,
  type Store,
} from '../kube/index.js';
import type { Mesh, MeshSettings } from '../model/index.js';
import { knownKinds } from './cluster-view.js';
import { Kinds, type Installation } from './kinds/index.js';
import { stillMesh, storeOf } from './still-mesh.js';

/** What is known of access to the pods of one namespace. */
export interface AccessReading {
  /** With the settings of the mesh, the namespace, its pods and Services, and the roles and bindings in it. */
  readonly mesh: Mesh;
  readonly bindings: readonly CustomObject[];
  /** What the namespace's label says of the default; absent where it has none. */
  readonly label?: string;
  /** What was not to be read, and what is taken instead. */
  readonly gaps: readonly string[];
}

export interface AccessReadingOptions extends Installation {
  readonly client: KubeClient;
  readonly namespace: string;
  /** What the installation fixes. */
  readonly installed: MeshSettings;
}

/** Reads once what a control plane follows, and makes of it what that makes: last good forms and last known settings included. */
export async function readAccess(options: AccessReadingOptions): Promise<AccessReading> {
  const { client, namespace } = options;
  const { mesh, view } = stillMesh(options);
  const gaps: string[] = [];
  const fill = async <O extends KubeObject>(
    {
      store,
      ...at
    }: { readonly store: Store<O>; readonly namespace?: string; readonly labelSelector?: string },
    resource: Resource<O>,
    instead?: string,
  ): Promise<void> => {
    const objects = await orUndefined(listObjects(client, resource, at)).catch((thrown: unknown) => {
      const error = MeshError.from(thrown);
      if (instead === undefined || error.code !== 'permission-denied') throw error;
      gaps.push(`${error.message}; ${instead}`);
      return [];
    });
    for (const object of objects ?? []) store.set(object);
  };
  const at = { namespace };
  const lastKnown = Kinds.lastKnown.within?.(options) ?? {};
  // What held last comes before what is asked for now.
  await fill(
    { store: view.lastKnown.store, ...pick(lastKnown) },
    Kinds.lastKnown.resource,
    'objects that cannot be read are taken for what they are without an earlier form',
  );
  await fill(
    { store: view.meshConfigs.store },
    Kinds.meshConfigs.resource,
    'the settings of the mesh are taken to be the defaults',
  );
  const own = await getObject(client, Kinds.namespaces.resource, { name: namespace });
  if (own !== undefined) view.namespaces.store.set(own);
  await Promise.all([
    fill({ store: view.services.store, ...at }, Kinds.services.resource),
    fill({ store: view.pods.store, ...at }, Kinds.pods.resource),
    fill({ store: view.endpointSlices.store, ...at }, Kinds.endpointSlices.resource),
    // Of all that users write in the namespace: what a kind has to do with access is not known here.
    ...knownKinds(view)
      .filter(({ row }) => row.feed !== undefined && row.api?.scope === 'Namespaced')
      .map(async ({ row, name }) => fill({ store: storeOf(view, name), ...at }, row.resource)),
  ]);
  const label = own?.metadata.labels[names.Label.defaultAccess];
  return {
    mesh,
    bindings: [...view.roleBindings.store.values()],
    ...(label === undefined ? {} : { label }),
    gaps,
  };
}

/** Of a selection what a list of objects asks for. */
function pick({ namespace, labelSelector }: { namespace?: string; labelSelector?: string }): {
  readonly namespace?: string;
  readonly labelSelector?: string;
} {
  return {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
  };
}
