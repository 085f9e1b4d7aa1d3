import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readStream } from 'node:stream/consumers';
import { z } from 'zod';
import { placedManifests } from '../../api/index.js';
import { MeshError } from '../../base/index.js';
import type { RawObject } from '../../kube/index.js';
import type { KnownObject } from '../findings/known.js';
import { manifestName } from '../manifests.js';

/** What files hold, with where it stands. */
export interface FileObjects {
  readonly objects: readonly KnownObject[];
  /** Objects and whatever else a document is. */
  readonly count: number;
}

/** What is written somewhere, and where: the name of a file, or what the reader calls it. */
export interface WrittenText {
  readonly name: string;
  readonly text: string;
}

/** Objects of files, of those below folders, or of standard input. `namespace` is that of objects that name none. */
export async function readFiles(files: readonly string[], namespace: string): Promise<FileObjects> {
  const texts: WrittenText[] = [];
  for (const file of files)
    for (const one of await filesBelow(file))
      texts.push({ name: manifestName(one), text: await contentOf(one) });
  return objectsOf(texts, namespace);
}

/** Objects of texts that are there already. */
export function objectsOf(texts: readonly WrittenText[], namespace: string): FileObjects {
  const all = texts.flatMap(({ name, text }) =>
    placedManifests(text, name).map((manifest) => ({ file: name, manifest })),
  );
  const objects = all.flatMap(({ file, manifest }, index) => {
    const object = asStored(manifest.object, namespace, index);
    return object === undefined ? [] : [{ ...object, source: { file, positionOf: manifest.positionOf } }];
  });
  return { objects, count: all.length };
}

async function filesBelow(file: string): Promise<readonly string[]> {
  if (file === '-') return [file];
  const about = await stat(file).catch((thrown: unknown) => {
    throw unreadable(file, thrown);
  });
  if (!about.isDirectory()) return [file];
  const entries = await readdir(file, { recursive: true, withFileTypes: true });
  const found = entries
    .filter((entry) => entry.isFile() && /\.(ya?ml|json)$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  if (found.length === 0)
    throw new MeshError('not-found', `${file} has no file that ends in .yaml, .yml or .json`);
  return found;
}

async function contentOf(file: string): Promise<string> {
  return (file === '-' ? readStream(process.stdin) : readFile(file, 'utf8')).catch((thrown: unknown) => {
    throw unreadable(manifestName(file), thrown);
  });
}

function unreadable(name: string, thrown: unknown): MeshError {
  return new MeshError('not-found', `cannot read ${name}: ${MeshError.from(thrown).message}`, {
    cause: thrown,
  });
}

const envelope = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().optional() }).catch({ name: '' }),
});

/** Kinds that live in no namespace, of those that are looked at. */
const CLUSTER_WIDE: ReadonlySet<string> = new Set(['Namespace', 'Node', 'MeshConfig', 'XMesh']);

/** As if the API server had just stored it; undefined: it is no object. */
function asStored(object: unknown, usual: string, index: number): KnownObject | undefined {
  const parsed = envelope.safeParse(object);
  if (!parsed.success) return undefined;
  const { apiVersion, kind, metadata } = parsed.data;
  const namespace = CLUSTER_WIDE.has(kind) ? '' : (metadata.namespace ?? usual);
  const uid = `written-${String(index).padStart(6, '0')}`;
  const stored = {
    ...(object as RawObject),
    metadata: {
      ...(object as RawObject).metadata,
      name: metadata.name,
      ...(namespace === '' ? {} : { namespace }),
      uid,
      resourceVersion: uid,
      generation: 1,
      creationTimestamp: WRITTEN,
    },
    ...serviceAddress(kind, object as RawObject, index),
  };
  const title = `${kind} ${metadata.namespace === undefined ? '' : `${metadata.namespace}/`}${metadata.name}`;
  return { apiVersion, kind, namespace, name: metadata.name, uid, title, raw: stored };
}

/** Younger than all that is in a cluster: of two that compete the older one wins. */
const WRITTEN = '9999-01-01T00:00:00Z';

/** A Service gets its address from the API server. */
function serviceAddress(kind: string, { spec }: RawObject, index: number): { readonly spec?: object } {
  const { clusterIP, type } = (spec ?? {}) as { readonly clusterIP?: string; readonly type?: string };
  if (kind !== 'Service' || clusterIP !== undefined || type === 'ExternalName') return {};
  const address = `240.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`;
  return { spec: { ...(spec as object), clusterIP: address, clusterIPs: [address] } };
}
