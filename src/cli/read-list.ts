import { z } from 'zod';
import {
  resourcePath,
  type KubeClient,
  type KubeObject,
  type RawObject,
  type Resource,
} from '../kube/index.js';

/** Kinds that only commands read, once and in part. */
export const Kinds = {
  deployment: { apiVersion: 'apps/v1', plural: 'deployments' },
  replicaSet: { apiVersion: 'apps/v1', plural: 'replicasets' },
  statefulSet: { apiVersion: 'apps/v1', plural: 'statefulsets' },
  daemonSet: { apiVersion: 'apps/v1', plural: 'daemonsets' },
  job: { apiVersion: 'batch/v1', plural: 'jobs' },
  event: { apiVersion: 'v1', plural: 'events' },
  resourceQuota: { apiVersion: 'v1', plural: 'resourcequotas' },
  limitRange: { apiVersion: 'v1', plural: 'limitranges' },
} as const;

/** Objects as they come: what of them matters is for those to say who look. */
export const anObject = z.custom<RawObject>((value) => typeof value === 'object' && value !== null);

/** Every object of a kind, of one namespace or of all, as much of it as the shape has. */
export async function readList<T>(
  client: KubeClient,
  kind: Pick<Resource<KubeObject>, 'apiVersion' | 'plural'>,
  shape: z.ZodType<T>,
  at: { readonly namespace?: string; readonly labelSelector?: string } = {},
): Promise<readonly T[]> {
  const found: T[] = [];
  let next: string | undefined;
  do {
    const page = (await client.request({
      path: resourcePath(kind, at.namespace === undefined ? {} : { namespace: at.namespace }),
      query: { limit: 500, continue: next, labelSelector: at.labelSelector },
    })) as { items?: unknown[]; metadata?: { continue?: string } };
    for (const item of page.items ?? []) found.push(shape.parse(item));
    next = page.metadata?.continue === '' ? undefined : page.metadata?.continue;
  } while (next !== undefined);
  return found;
}
