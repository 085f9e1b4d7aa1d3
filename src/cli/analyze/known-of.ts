import jsonPatch from 'fast-json-patch';
import { podTemplateOf } from '../../api/index.js';
import { names } from '../../base/index.js';
import { stillMesh, type StillMesh } from '../../controller/index.js';
import type { RawObject } from '../../kube/index.js';
import { DEFAULT_SETTINGS, type MeshSettings } from '../../model/index.js';
import type { Known, KnownObject, KnownPod } from '../findings/known.js';
import { CHART_DEFAULTS, decisionOf, podWebhook, type PodWebhook } from '../inject.js';

export interface KnownOptions {
  readonly objects: readonly KnownObject[];
  /** Default: those of the chart. */
  readonly installed?: MeshSettings;
  readonly complete: boolean;
  readonly live: boolean;
  readonly revisions?: readonly string[] | undefined;
  readonly isCapturedByNode?: boolean | undefined;
  readonly revision: string;
  readonly systemNamespace: string;
  /** Told of the mesh before the objects get into it. */
  readonly prepare?: (mesh: StillMesh) => void;
}

/** Makes of objects what a control plane would make of them, and gives pods in files what its webhook would give them. */
export async function knownOf(options: KnownOptions): Promise<Known> {
  const { objects, complete, live, revisions, isCapturedByNode = false } = options;
  const mesh = stillMesh({ ...options, installed: options.installed ?? DEFAULT_SETTINGS });
  options.prepare?.(mesh);
  for (const { kind, raw } of objects) if (kind !== 'Pod' || live) mesh.put(raw);
  const pods = live ? objects.flatMap(runningPod) : await describedPods(options, mesh);
  return {
    objects,
    pods,
    mesh: mesh.mesh,
    problemsOf: (uid) => mesh.problemsOf(uid),
    complete,
    live,
    ...(revisions === undefined ? {} : { revisions }),
    isCapturedByNode,
  };
}

interface LoosePod {
  readonly metadata?: RawObject['metadata'];
  readonly spec?: {
    readonly initContainers?: readonly { readonly name?: string }[];
    readonly containers?: readonly { readonly name?: string }[];
  };
  readonly status?: { readonly phase?: string };
}

function runningPod(object: KnownObject): readonly KnownPod[] {
  if (object.kind !== 'Pod') return [];
  const { spec, status } = object.raw as LoosePod;
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') return [];
  return [{ ...podOf(object, object.raw as LoosePod, ''), meshed: hasProxy(spec), warnings: [] }];
}

function hasProxy(spec: LoosePod['spec']): boolean {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  return containers.some(({ name }) => name === names.PROXY_CONTAINER);
}

function podOf(
  object: KnownObject,
  pod: LoosePod,
  path: string,
): Omit<KnownPod, 'meshed' | 'warnings' | 'refusal'> {
  const annotations = pod.metadata?.annotations ?? {};
  return {
    object,
    path,
    uid: object.uid,
    labels: pod.metadata?.labels ?? {},
    annotations,
    spec: pod.spec,
    decision: annotations[names.Annotation.injection] ?? '',
  };
}

/** The pods that workloads of files describe, one for each workload. */
async function describedPods(options: KnownOptions, mesh: StillMesh): Promise<readonly KnownPod[]> {
  const { revision, systemNamespace, installed = DEFAULT_SETTINGS } = options;
  const { trustDomain, clusterDomain } = installed;
  const ask = podWebhook({
    ...CHART_DEFAULTS,
    capture: options.isCapturedByNode === true ? 'CNI' : 'InitContainer',
    image: 'weft',
    revision,
    systemNamespace,
    trustDomain,
    clusterDomain,
  });
  const found: KnownPod[] = [];
  for (const object of options.objects) {
    const template = podTemplateOf(object.raw);
    if (template === undefined) continue;
    found.push(await describedPod(object, structuredClone(template), { ask, options, mesh }));
  }
  return found;
}

interface Asking {
  readonly ask: PodWebhook;
  readonly options: KnownOptions;
  readonly mesh: StillMesh;
}

async function describedPod(
  object: KnownObject,
  { path, pod }: { readonly path: string; readonly pod: object },
  { ask, options, mesh }: Asking,
): Promise<KnownPod> {
  const { assumed, ...namespace } = namespaceOf(object, options);
  const written = structuredClone(pod) as LoosePod;
  const outcome = await ask(pod, namespace);
  if (outcome.kind === 'patched')
    jsonPatch.applyPatch(pod, structuredClone(outcome.operations) as jsonPatch.Operation[], true, true);
  mesh.put(asPod(object, pod));
  return {
    ...podOf(object, written, path),
    decision: assumed ? '' : decisionOf(pod),
    meshed: hasProxy((pod as LoosePod).spec),
    warnings: outcome.kind === 'patched' && !assumed ? outcome.warnings : [],
    ...(outcome.kind === 'denied' ? { refusal: outcome.message } : {}),
  };
}

/** Of a namespace that is not among the objects nobody knows: most that describe something for the mesh have joined. */
function namespaceOf(
  object: KnownObject,
  { objects, complete, revision }: KnownOptions,
): Parameters<PodWebhook>[1] & { readonly assumed: boolean } {
  const found = objects.find(({ kind, name }) => kind === 'Namespace' && name === object.namespace);
  const assumed = found === undefined && !complete;
  const labels = assumed ? JOINED : (found?.raw.metadata?.labels ?? {});
  return {
    labels: { [names.Label.rev]: revision, ...labels },
    annotations: found?.raw.metadata?.annotations ?? {},
    assumed,
  };
}

const JOINED: Readonly<Record<string, string>> = { [names.Label.inject]: 'enabled' };

/** The pod of a template, named for its workload. */
function asPod({ namespace, name, uid }: KnownObject, pod: object): RawObject {
  const { metadata = {}, spec } = pod as LoosePod;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, name, namespace, uid, resourceVersion: uid },
    spec,
    status: { phase: 'Running' },
  };
}
