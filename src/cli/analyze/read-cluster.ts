import { MeshError } from '../../base/index.js';
import { Kinds, meshKinds, type LastKnown, type StillMesh } from '../../controller/index.js';
import { listObjects, orUndefined, type KubeClient, type RawObject } from '../../kube/index.js';
import type { MeshSettings } from '../../model/index.js';
import type { KnownObject } from '../findings/known.js';
import { readInstalled } from '../installed.js';
import { anObject, readList } from '../read-list.js';

export interface ClusterPlace {
  readonly client: KubeClient;
  readonly revision: string;
  readonly systemNamespace: string;
  /** Where the whole cluster may not be read, this namespace is. */
  readonly namespace?: string | undefined;
}

/** All that a mesh is made of, as the API server has it. */
export interface ClusterObjects {
  readonly objects: readonly KnownObject[];
  readonly installed: MeshSettings;
  readonly revisions?: readonly string[] | undefined;
  readonly isCapturedByNode?: boolean | undefined;
  /** What was not to be read. */
  readonly gaps: readonly string[];
  /** Gives a mesh what the control plane wrote down for its next start; the same to each. */
  readonly prepare: (mesh: StillMesh) => void;
}

/** Reads them once. What may not be read is told in `gaps`. */
export async function readCluster(place: ClusterPlace): Promise<ClusterObjects> {
  const { client } = place;
  const { installed, revisions, isCapturedByNode, gaps } = await readInstalled(client, place.revision);
  const told = [...gaps];
  const lists = await Promise.all(
    [...meshKinds().map(({ resource }) => resource), SERVICE_ACCOUNTS].map(async (kind) =>
      readKind(place, kind, told),
    ),
  );
  const recalled = await recall(place);
  const prepare = ({ view }: StillMesh): void => {
    for (const one of recalled) view.lastKnown.store.set(one);
  };
  return { objects: lists.flat(), installed, revisions, isCapturedByNode, gaps: told, prepare };
}

const SERVICE_ACCOUNTS = { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts' };

interface ListedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
}

async function readKind(
  { client, namespace }: ClusterPlace,
  kind: ListedKind,
  gaps: string[],
): Promise<readonly KnownObject[]> {
  const list = (at: { readonly namespace?: string }): Promise<readonly RawObject[]> =>
    orUndefined(readList(client, kind, anObject, at)).then((found) => found ?? []);
  try {
    return (await list({})).map((raw) => asKnown(kind, raw));
  } catch (thrown) {
    const error = MeshError.from(thrown);
    if (error.code !== 'permission-denied') throw error;
    gaps.push(error.message);
    if (namespace === undefined) return [];
    const own = await list({ namespace }).catch(() => []);
    return own.map((raw) => asKnown(kind, raw));
  }
}

function asKnown({ apiVersion, kind }: ListedKind, item: RawObject): KnownObject {
  // Items of a list do not repeat what kind they are.
  const raw = { apiVersion, kind, ...item };
  const { name = '', namespace = '', uid = '' } = raw.metadata ?? {};
  const title = `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
  return { apiVersion, kind, namespace, name, uid, title, raw };
}

/** Last good forms and last known settings. Who may not read them takes objects for what they are. */
async function recall({ client, ...place }: ClusterPlace): Promise<readonly LastKnown[]> {
  const { namespace = place.systemNamespace, labelSelector = '' } = Kinds.lastKnown.within?.(place) ?? {};
  const known = await orUndefined(
    listObjects(client, Kinds.lastKnown.resource, { namespace, labelSelector }),
  ).catch(() => []);
  return known ?? [];
}
