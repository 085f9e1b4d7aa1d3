import { z } from 'zod';
import { names } from '../base/index.js';
import { hasOurProxy } from '../controller/index.js';
import { Resources, workloadOwner, type KubeClient } from '../kube/index.js';
import type { PodView } from './mesh-view.js';

/** A pod as far as the dashboard looks at it. */
export interface MeshPod {
  readonly uid: string;
  readonly namespace: string;
  /** A proxy is in it and may be asked. */
  readonly scrapable: boolean;
  readonly controlPlane: boolean;
  /** It ran to its end, or failed for good: there is nothing to follow any more. */
  readonly ended: boolean;
  readonly view: PodView;
}

const text = z.string().default('');
const strings = z.record(z.string(), z.string()).default({});
const container = z.looseObject({
  name: z.string(),
  image: text,
  env: z.array(z.object({ name: z.string(), value: text })).default([]),
});
/** Loose, because what we know of a proxy's containers is read from the pod as it came. */
const podSchema = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string(),
    uid: z.string(),
    deletionTimestamp: z.string().exactOptional(),
    labels: strings,
    annotations: strings,
    ownerReferences: z
      .array(
        z.object({
          apiVersion: text,
          kind: z.string(),
          name: z.string(),
          uid: text,
          controller: z.boolean().default(false),
        }),
      )
      .default([]),
  }),
  spec: z.looseObject({
    serviceAccountName: z.string().default('default'),
    containers: z.array(container),
    initContainers: z.array(container).default([]),
  }),
  status: z
    .looseObject({
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
  at: { readonly namespace?: string; readonly labelSelector?: string; readonly systemNamespace: string },
  signal: AbortSignal,
): Promise<MeshPod[]> {
  const path =
    at.namespace === undefined
      ? '/api/v1/pods'
      : `/api/v1/namespaces/${encodeURIComponent(at.namespace)}/pods`;
  const query = { labelSelector: at.labelSelector, resourceVersion: '0' };
  return listSchema
    .parse(await client.request({ path, query, signal }))
    .items.map((raw) => toMeshPod(raw, at.systemNamespace));
}

/** What the dashboard shows of a pod. */
export function toMeshPod(raw: RawPod, systemNamespace: string = names.SYSTEM_NAMESPACE): MeshPod {
  const { metadata, status } = raw;
  const standing = standingOf(raw);
  const phase = metadata.deletionTimestamp === undefined ? status.phase : 'Terminating';
  return {
    uid: metadata.uid,
    namespace: metadata.namespace,
    scrapable: standing === 'meshed' && status.phase === 'Running',
    controlPlane: metadata.namespace === systemNamespace && names.Label.rev in metadata.labels,
    ended: status.phase === 'Succeeded' || status.phase === 'Failed',
    view: {
      name: metadata.name,
      workload: workloadOf(raw),
      ...(standing === 'meshed' ? meshedAs(raw) : { identity: '', proxyVersion: '' }),
      injection: injectionOf(raw, standing),
      lacksProxy: standing === 'forged' || standing === 'missing',
      ready: status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True'),
      phase,
    },
  };
}

/** What the proxy of a meshed pod proves and is. */
function meshedAs(raw: RawPod): Pick<PodView, 'identity' | 'proxyVersion'> {
  const proxy = proxyOf(raw);
  const trustDomain = proxy?.env.find(({ name }) => name === 'WEFT_TRUST_DOMAIN')?.value ?? 'cluster.local';
  return {
    identity: `spiffe://${trustDomain}/ns/${raw.metadata.namespace}/sa/${raw.spec.serviceAccountName}`,
    proxyVersion: imageTag(proxy?.image ?? ''),
  };
}

/**
 * `meshed` with the proxy that the webhook gave, `apart` on purpose, `missing` where there should be one, `forged` with a
 * container of the proxy's name that is none of ours.
 */
type Standing = 'meshed' | 'apart' | 'missing' | 'forged';

/** Neither the annotation nor a container's name is believed alone: anybody may have written either. */
function standingOf(raw: RawPod): Standing {
  const decision = raw.metadata.annotations[names.Annotation.injection] ?? '';
  if (decision.startsWith('skipped')) return 'apart';
  if (hasOurProxy(Resources.pod.keep(raw))) return 'meshed';
  if (proxyOf(raw) !== undefined) return 'forged';
  return raw.metadata.labels[names.Label.inject] === 'disabled' ? 'apart' : 'missing';
}

/** A native sidecar is among the init containers, an ordinary one among the others. */
function proxyOf({ spec }: RawPod): z.infer<typeof container> | undefined {
  return [...spec.initContainers, ...spec.containers].find(({ name }) => name === names.PROXY_CONTAINER);
}

function workloadOf({ metadata: { name: pod, labels, ownerReferences } }: RawPod): string {
  const owner = ownerReferences.find(({ controller }) => controller);
  const { kind, name } = workloadOwner({ name: pod, owner, labels });
  return `${kind}/${name}`;
}

function injectionOf({ metadata }: RawPod, standing: Standing): string {
  const decision = metadata.annotations[names.Annotation.injection];
  switch (standing) {
    case 'meshed':
      return decision ?? 'injected';
    case 'apart':
      return decision ?? 'opted out by its label';
    case 'missing':
      return 'no proxy: the pod is older than the mesh here, restart its workload';
    case 'forged':
      return `its container ${names.PROXY_CONTAINER} is not what Weft adds: remove it from the template, Weft adds its own`;
  }
}

/** What stands behind the last colon; the first characters of the digest where an image is pinned by that. */
function imageTag(image: string): string {
  const [name = '', digest] = image.split('@');
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  return tag ?? digest?.replace('sha256:', '').slice(0, 12) ?? 'latest';
}
