import type { KubeClient } from './client.js';
import { KubeApiError, orUndefined } from './errors.js';
import type { RawObject } from './keep.js';
import type { KubeObject, ObjectMeta } from './objects.js';
import { Resources, resourcePath, type Resource } from './resource.js';

/** Owner of the fields that we apply. */
const FIELD_MANAGER = 'weft';

/** What is sent to the API server: whatever the kind takes beside its name. */
export interface Manifest {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly ownerReferences?: readonly object[];
    readonly resourceVersion?: string;
  };
  readonly [field: string]: unknown;
}

/** One object, or undefined when it is not there. */
export async function getObject<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  at: { namespace?: string; name: string },
  signal?: AbortSignal,
): Promise<T | undefined> {
  const raw = await orUndefined(client.request({ path: resourcePath(resource, at), signal }));
  return raw === undefined ? undefined : resource.keep(raw as RawObject);
}

/** All objects of a kind, for commands that look once; what runs on uses an Informer. */
export async function listObjects<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  at: { namespace?: string; labelSelector?: string } = {},
): Promise<T[]> {
  const found: T[] = [];
  let next: string | undefined;
  do {
    const page = (await client.request({
      path: resourcePath(resource, at.namespace === undefined ? {} : { namespace: at.namespace }),
      query: { limit: 500, continue: next, labelSelector: at.labelSelector },
    })) as { items?: RawObject[]; metadata?: { continue?: string } };
    // Items of a list do not repeat what kind they are.
    const { apiVersion, kind } = resource;
    for (const item of page.items ?? []) found.push(resource.keep({ apiVersion, kind, ...item }));
    next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
  } while (next !== undefined);
  return found;
}

/**
 * Server-side apply: what we say becomes ours and so, what we said before and no longer say goes away. Takes fields
 * over from other owners, because what we apply is ours alone. `subresource: 'status'` writes only the status.
 */
export async function applyObject<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  manifest: Manifest,
  options: { subresource?: 'status'; signal?: AbortSignal; fieldManager?: string } = {},
): Promise<T> {
  const { name, namespace = '' } = manifest.metadata;
  const subresource = options.subresource === undefined ? {} : { subresource: options.subresource };
  const raw = await client.request({
    method: 'PATCH',
    path: resourcePath(resource, { name, namespace, ...subresource }),
    query: { fieldManager: options.fieldManager ?? FIELD_MANAGER, force: true },
    contentType: 'application/apply-patch+yaml',
    body: { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest },
    signal: options.signal,
  });
  return resource.keep(raw as RawObject);
}

/** Creates; an object of that name throws `already-exists`. */
export async function createObject<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<T> {
  const raw = await client.request({
    method: 'POST',
    path: resourcePath(resource, { namespace: manifest.metadata.namespace ?? '' }),
    query: { fieldManager: FIELD_MANAGER },
    body: { apiVersion: resource.apiVersion, kind: resource.kind, ...manifest },
    signal,
  });
  return resource.keep(raw as RawObject);
}

/** JSON Patch (RFC 6902); with a `test` operation it fails with `invalid` where the object has moved on. */
export async function jsonPatchObject<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  at: { namespace?: string; name: string },
  operations: readonly object[],
): Promise<T> {
  const raw = await client.request({
    method: 'PATCH',
    path: resourcePath(resource, at),
    query: { fieldManager: FIELD_MANAGER },
    contentType: 'application/json-patch+json',
    body: operations,
  });
  return resource.keep(raw as RawObject);
}

/**
 * Merges into the status of an object as it was at a resource version; throws `conflict` where it has moved on. For
 * lists that several controllers write and that server-side apply takes as one value.
 */
export async function mergeStatus<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  at: Pick<ObjectMeta, 'namespace' | 'name' | 'resourceVersion'>,
  { status, signal }: { readonly status: object; readonly signal?: AbortSignal },
): Promise<T> {
  const { namespace, name, resourceVersion } = at;
  const raw = await client.request({
    method: 'PATCH',
    path: resourcePath(resource, { namespace, name, subresource: 'status' }),
    query: { fieldManager: FIELD_MANAGER },
    contentType: 'application/merge-patch+json',
    body: { metadata: { resourceVersion }, status },
    signal,
  });
  return resource.keep(raw as RawObject);
}

/** Deletes; what is gone already is fine. */
export async function deleteObject(
  client: KubeClient,
  resource: Resource<KubeObject>,
  at: Pick<ObjectMeta, 'name'> & { namespace?: string },
): Promise<void> {
  await orUndefined(client.request({ method: 'DELETE', path: resourcePath(resource, at) }));
}

/**
 * Asks for the eviction of exactly this pod, which PodDisruptionBudgets may forbid for now. `gone`: there is no such pod any more,
 * or another one under its name.
 */
export async function evictPod(
  client: KubeClient,
  { namespace, name, uid }: Pick<ObjectMeta, 'namespace' | 'name' | 'uid'>,
  signal?: AbortSignal,
): Promise<'evicted' | 'forbidden-now' | 'gone'> {
  try {
    const answer = await orUndefined(
      client.request({
        method: 'POST',
        path: resourcePath(Resources.pod, { namespace, name, subresource: 'eviction' }),
        body: {
          apiVersion: 'policy/v1',
          kind: 'Eviction',
          metadata: { namespace, name },
          deleteOptions: { preconditions: { uid } },
        },
        signal,
      }),
    );
    return answer === undefined ? 'gone' : 'evicted';
  } catch (thrown) {
    if (!(thrown instanceof KubeApiError)) throw thrown;
    if (thrown.status === 409) return 'gone';
    if (thrown.status === 429) return 'forbidden-now';
    throw thrown;
  }
}
