import { z } from 'zod';
import { names } from '../base/index.js';
import type { KubeClient } from '../kube/index.js';
import type { PodView } from './mesh-view.js';

/** A pod as far as the dashboard looks at it. */
export interface MeshPod {
  readonly uid: string;
  readonly namespace: string;
  /** A proxy is in it and may be asked. */
  readonly scrapable: boolean;
  readonly controlPlane: boolean;
  readonly view: PodView;
}

const text = z.string().default('');
const strings = z.record(z.string(), z.string()).default({});
const container = z.object({
  name: z.string(),
  image: text,
  env: z.array(z.object({ name: z.string(), value: text })).default([]),
});
const podSchema = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    deletionTimestamp: z.string().optional(),
    labels: strings,
    annotations: strings,
    ownerReferences: z
      .array(z.object({ kind: z.string(), name: z.string(), controller: z.boolean().default(false) }))
      .default([]),
  }),
  spec: z.object({
    serviceAccountName: z.string().default('default'),
    containers: z.array(container),
    initContainers: z.array(container).default([]),
  }),
  status: z
    .object({
      phase: text,
      conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
    })
    .prefault({}),
});
const listSchema = z.object({ items: z.array(podSchema) });

type RawPod = z.infer<typeof podSchema>;

/** Lists pods from the API server's cache, because this is asked every other second. */
export async function listPods(
  client: KubeClient,
  at: { readonly namespace?: string; readonly labelSelector?: string },
  signal: AbortSignal,
): Promise<MeshPod[]> {
  const path =
    at.namespace === undefined
      ? '/api/v1/pods'
      : `/api/v1/namespaces/${encodeURIComponent(at.namespace)}/pods`;
  const query = { labelSelector: at.labelSelector, resourceVersion: '0' };
  return listSchema.parse(await client.request({ path, query, signal })).items.map(toMeshPod);
}

/** What the dashboard shows of a pod. */
export function toMeshPod(raw: RawPod): MeshPod {
  const { metadata, spec, status } = raw;
  const proxy = proxyOf(raw);
  const phase = metadata.deletionTimestamp === undefined ? status.phase : 'Terminating';
  const trustDomain = proxy?.env.find(({ name }) => name === 'WEFT_TRUST_DOMAIN')?.value ?? 'cluster.local';
  const identity = `spiffe://${trustDomain}/ns/${metadata.namespace}/sa/${spec.serviceAccountName}`;
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    scrapable: proxy !== undefined && status.phase === 'Running',
    controlPlane: metadata.namespace === names.SYSTEM_NAMESPACE && names.Label.rev in metadata.labels,
    view: {
      name: metadata.name,
      workload: workloadOf(raw),
      identity: proxy === undefined ? '' : identity,
      proxyVersion: proxy === undefined ? '' : imageTag(proxy.image),
      injection: injectionOf(raw, proxy !== undefined),
      ready: status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      phase,
      scrapeError: '',
    },
  };
}

/**
 * A native sidecar is among the init containers, an ordinary one among the others. What the webhook left alone has none of
 * ours, whatever its containers are called.
 */
function proxyOf({ metadata, spec }: RawPod): z.infer<typeof container> | undefined {
  const decision = metadata.annotations[names.Annotation.injection] ?? 'injected';
  if (decision !== 'injected') return undefined;
  return [...spec.initContainers, ...spec.containers].find(({ name }) => name === names.PROXY_CONTAINER);
}

/** The Deployment behind a ReplicaSet is told by the hash that both carry. */
function workloadOf({ metadata }: RawPod): string {
  const owner = metadata.ownerReferences.find(({ controller }) => controller);
  if (owner === undefined) return `Pod/${metadata.name}`;
  const hash = metadata.labels['pod-template-hash'];
  if (owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)) {
    return `Deployment/${owner.name.slice(0, -hash.length - 1)}`;
  }
  return `${owner.kind}/${owner.name}`;
}

function injectionOf({ metadata }: RawPod, hasProxy: boolean): string {
  const decision = metadata.annotations[names.Annotation.injection];
  if (decision !== undefined) return decision;
  if (hasProxy) return 'injected';
  if (metadata.labels[names.Label.inject] === 'disabled') return 'opted out by its label';
  return 'no proxy: the pod is older than the mesh here, restart its workload';
}

/** What stands behind the last colon; the first characters of the digest where an image is pinned by that. */
function imageTag(image: string): string {
  const [name = '', digest] = image.split('@');
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  return tag ?? digest?.replace('sha256:', '').slice(0, 12) ?? 'latest';
}
