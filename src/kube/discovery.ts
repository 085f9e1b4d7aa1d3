import { MeshError } from '../base/index.js';
import type { KubeClient } from './client.js';
import type { KubeObject } from './objects.js';
import type { Resource } from './resource.js';

/** A CustomResourceDefinition, as far as we read it. */
interface Definition {
  readonly metadata?: { readonly deletionTimestamp?: string };
}

/** Where the API server keeps the definitions of kinds. */
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

/**
 * Whether a custom kind is itself being deleted, or is gone: the API server deletes all its objects first then. False where we may not
 * look; throws where it cannot be said now.
 */
export async function isLeaving(
  client: KubeClient,
  { apiVersion, plural }: Resource<KubeObject>,
  signal: AbortSignal,
): Promise<boolean> {
  const path = `${DEFINITIONS}/${plural}.${apiVersion.split('/')[0]}`;
  try {
    const { metadata } = (await client.request({ path, signal })) as Definition;
    return metadata?.deletionTimestamp !== undefined;
  } catch (thrown) {
    const { code } = MeshError.from(thrown);
    if (code === 'not-found') return true;
    if (code === 'permission-denied') return false;
    throw thrown;
  }
}

/** `APIGroupList`, as far as we read it. */
interface ApiGroupList {
  readonly groups?: readonly {
    readonly name?: string;
    readonly versions?: readonly { readonly version?: string }[];
  }[];
}

/** `APIResourceList`, as far as we read it. */
interface ApiResourceList {
  readonly resources?: readonly { readonly name?: string }[];
}

/**
 * Whether the API server serves a kind, by its own account; undefined where it does not say. A 404 for the objects of
 * a kind may come from anything in front of the API server; that its discovery works and does not list the kind may not.
 */
export async function isServed(
  client: KubeClient,
  resource: Resource<KubeObject>,
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const [group, version] = resource.apiVersion.split('/');
  // The core group is always there.
  if (version === undefined) return true;
  try {
    const { groups = [] } = (await client.request({ path: '/apis', signal })) as ApiGroupList;
    // No API server is without any group.
    if (groups.length === 0) return undefined;
    const versions = groups.find(({ name }) => name === group)?.versions ?? [];
    if (!versions.some((one) => one.version === version)) return false;
    const path = `/apis/${resource.apiVersion}`;
    const { resources } = (await client.request({ path, signal })) as ApiResourceList;
    return resources?.some(({ name }) => name === resource.plural);
  } catch {
    return undefined;
  }
}
