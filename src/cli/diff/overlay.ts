import { isDeepStrictEqual } from 'node:util';
import { MeshError } from '../../base/index.js';
import { podTemplateOf } from '../../api/index.js';
import { isOfMesh } from '../../controller/index.js';
import { groupOf } from '../../kube/index.js';
import type { KnownObject } from '../findings/known.js';
import { findObjects } from '../findings/find.js';

/** An object of the files, and what becomes of it. */
export interface Applied {
  readonly object: string;
  readonly change: 'created' | 'changed' | 'deleted' | 'unchanged';
}

/** The objects of a cluster as they would be afterwards. */
export interface Overlaid {
  readonly objects: readonly KnownObject[];
  readonly applied: readonly Applied[];
  /** What of the files is not looked at, and why. */
  readonly notes: readonly string[];
}

/** Lays objects of files over those of a cluster, as `kubectl apply` would; with `remove`, as `kubectl delete` would. */
export function overlay(
  cluster: readonly KnownObject[],
  files: readonly KnownObject[],
  remove: boolean,
): Overlaid {
  const after = new Map(cluster.map((object) => [keyOf(object), object]));
  const applied: Applied[] = [];
  const notes: string[] = [];
  for (const object of files) {
    const why = reasonToLeave(object);
    if (why !== undefined) {
      notes.push(`${object.title}: ${why}`);
      continue;
    }
    const key = keyOf(object);
    const before = after.get(key);
    if (remove) {
      after.delete(key);
      applied.push({ object: object.title, change: before === undefined ? 'unchanged' : 'deleted' });
      continue;
    }
    demandAcceptable(object);
    after.set(key, before === undefined ? object : merged(before, object));
    applied.push({ object: object.title, change: changeOf(before, object) });
  }
  return { objects: [...after.values()], applied, notes };
}

function keyOf({ apiVersion, kind, namespace, name }: KnownObject): string {
  return JSON.stringify([groupOf(apiVersion), kind, namespace, name]);
}

function reasonToLeave(object: KnownObject): string | undefined {
  if (podTemplateOf(object.raw) !== undefined)
    return 'is not compared: the mesh is made of the pods that run';
  return isOfMesh(object) ? undefined : 'is not compared: the mesh is not made of such objects';
}

/** The API server would refuse it, so that nothing would change. */
function demandAcceptable(object: KnownObject): void {
  const [first] = findObjects(object).filter(({ severity }) => severity === 'error');
  if (first === undefined) return;
  throw new MeshError(
    'invalid',
    `${object.title} would be refused: ${first.path}: ${first.message} [${first.code}]; correct it first (weft analyze -f FILE lists all)`,
  );
}

/** What the API server keeps of the object that was there. */
function merged(before: KnownObject, object: KnownObject): KnownObject {
  const { uid, creationTimestamp, generation = 1 } = before.raw.metadata ?? {};
  const metadata = {
    ...object.raw.metadata,
    uid,
    creationTimestamp,
    generation: generation + 1,
  } as KnownObject['raw']['metadata'];
  const raw = {
    ...object.raw,
    metadata,
    ...(object.kind === 'Service' ? { spec: withAddress(before, object) } : {}),
  };
  return { ...object, uid: before.uid, raw: raw as KnownObject['raw'] };
}

/** A Service keeps its address. */
function withAddress(before: KnownObject, { raw }: KnownObject): object {
  const { clusterIP, clusterIPs } = (before.raw.spec ?? {}) as { clusterIP?: string; clusterIPs?: string[] };
  return { ...(raw.spec as object), clusterIP, clusterIPs };
}

function changeOf(before: KnownObject | undefined, object: KnownObject): Applied['change'] {
  if (before === undefined) return 'created';
  return isDeepStrictEqual(statedParts(before), statedParts(object)) ? 'unchanged' : 'changed';
}

/** Labels count where an object says something by them, as a Namespace does. */
function statedParts({ kind, raw }: KnownObject): unknown {
  return kind === 'Namespace' ? raw.metadata?.labels : raw.spec;
}
