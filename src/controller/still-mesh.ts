import { Metrics, createLogger } from '../base/index.js';
import { connectPlain, groupOf, type KubeObject, type RawObject, type Store } from '../kube/index.js';
import type { Mesh, MeshSettings, Problem } from '../model/index.js';
import { createClusterView, type ClusterView } from './cluster-view.js';
import { Collector } from './collector.js';
import { Kinds, type Installation, type KindRow } from './kinds/index.js';

/** What a control plane would know, made of objects that are given to it one by one instead of followed. */
export interface StillMesh {
  readonly mesh: Mesh;
  readonly view: ClusterView;
  /** What reading an object found, by its uid. */
  problemsOf(uid: string): readonly Problem[];
  /** Takes an object as the API server gives it; says whether the mesh is made of such. */
  put(object: RawObject): boolean;
}

export interface StillMeshOptions extends Installation {
  /** What the installation fixes. */
  readonly installed: MeshSettings;
}

/** A mesh without any object yet. */
export function stillMesh(options: StillMeshOptions): StillMesh {
  const log = createLogger({ level: 'silent' });
  // Its informers never run; their stores are filled by hand.
  const client = connectPlain('http://127.0.0.1:1');
  const view = createClusterView({ ...options, client, log, metrics: new Metrics() });
  const collector = new Collector({ view, installed: options.installed, log });
  collector.attach();
  return {
    mesh: collector.mesh,
    view,
    problemsOf: (uid) => collector.problemsOf(uid),
    put: (object) => {
      const row = rowOf(object);
      if (row !== undefined) storeOf(view, row.name).set(row.resource.keep(object));
      return row !== undefined;
    },
  };
}

/** What the leader writes for itself and others: no part of what the mesh is made of. */
const RECORDS: ReadonlySet<keyof Kinds> = new Set(['issuer', 'acks', 'lastKnown', 'rotation', 'meshes']);

type NamedRow = KindRow & { readonly name: keyof Kinds };

const MESH_KINDS: readonly NamedRow[] = (Object.keys(Kinds) as (keyof Kinds)[])
  .filter((name) => !RECORDS.has(name))
  .map((name): NamedRow => {
    const row: KindRow = Kinds[name];
    return { ...row, name };
  })
  .sort((a, b) => Number(b.name === 'nodes') - Number(a.name === 'nodes'));

/** The kinds that a mesh is made of, those first on which others depend. */
export function meshKinds(): readonly NamedRow[] {
  return MESH_KINDS;
}

/** Whether a mesh is made of objects of this kind. */
export function isOfMesh(object: Pick<RawObject, 'apiVersion' | 'kind'>): boolean {
  return rowOf(object) !== undefined;
}

/** By group and kind: any version of a kind is read as the one that is followed. */
function rowOf({ apiVersion = '', kind }: Pick<RawObject, 'apiVersion' | 'kind'>): NamedRow | undefined {
  const group = groupOf(apiVersion);
  return MESH_KINDS.find(({ resource }) => resource.kind === kind && groupOf(resource.apiVersion) === group);
}

/** Objects are put into the store of their kind. */
export function storeOf(view: ClusterView, name: keyof ClusterView): Store<KubeObject> {
  return view[name].store as unknown as Store<KubeObject>;
}
