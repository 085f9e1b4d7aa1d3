import { z } from 'zod';
import { nearest } from '../../api/index.js';
import { MeshError, names } from '../../base/index.js';
import { hasOurProxy } from '../../controller/index.js';
import {
  Resources,
  getObject,
  listObjects,
  orUndefined,
  resourcePath,
  type KubeClient,
  type Pod,
} from '../../kube/index.js';
import { Kinds } from '../read-list.js';

const expression = z.object({
  key: z.string(),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).default([]),
});
const workload = z.object({
  spec: z.object({
    selector: z.object({
      matchLabels: z.record(z.string(), z.string()).default({}),
      matchExpressions: z.array(expression).default([]),
    }),
  }),
});

const WORKLOADS: Readonly<Record<string, (typeof Kinds)[keyof typeof Kinds]>> = {
  deploy: Kinds.deployment,
  deployment: Kinds.deployment,
  deployments: Kinds.deployment,
  sts: Kinds.statefulSet,
  statefulset: Kinds.statefulSet,
  ds: Kinds.daemonSet,
  daemonset: Kinds.daemonSet,
  rs: Kinds.replicaSet,
  replicaset: Kinds.replicaSet,
};
const PODS = ['pod', 'pods', 'po'];
const NAMESPACES = ['ns', 'namespace', 'namespaces'];

/** The pods that `NAME`, `pod/NAME`, `deploy/NAME` and the like, or `ns/NAME` name; throws where there is none. */
export async function findPods(client: KubeClient, text: string, namespace: string): Promise<readonly Pod[]> {
  const [first = '', second, ...more] = text.split('/');
  const kind = second === undefined ? 'pod' : first.toLowerCase();
  const name = second ?? first;
  if (name === '' || more.length > 0) throw unclear(text);
  if (PODS.includes(kind)) return [await onePod(client, namespace, name)];
  if (NAMESPACES.includes(kind))
    return some(await listObjects(client, Resources.pod, { namespace: name }), text);
  const known = WORKLOADS[kind];
  if (known === undefined) throw unclear(text);
  const found = await orUndefined(client.request({ path: resourcePath(known, { namespace, name }) }));
  if (found === undefined)
    throw new MeshError('not-found', `there is no ${kind}/${name} in namespace ${namespace}`);
  const labelSelector = selectorOf(workload.parse(found).spec.selector);
  return some(await listObjects(client, Resources.pod, { namespace, labelSelector }), text);
}

/** The pods whose proxy can be asked; throws, saying why, where there is none. */
export function demandProxies(pods: readonly Pod[]): readonly Pod[] {
  const meshed = pods.filter(hasOurProxy);
  const [first] = pods;
  if (meshed.length === 0 && first !== undefined) {
    const { namespace, name } = first.metadata;
    const why = first.metadata.annotations[names.Annotation.injection];
    throw new MeshError(
      'precondition',
      `pod ${namespace}/${name} has no proxy${why === undefined ? '' : ` (${why})`}, so nothing of the mesh judges what it sends; to see why: weft check`,
    );
  }
  const running = meshed.filter(({ phase, metadata }) => phase === 'Running' && !metadata.deleting);
  if (running.length === 0 && first !== undefined)
    throw new MeshError(
      'unavailable',
      `no pod with a proxy runs: ${first.metadata.namespace}/${first.metadata.name} is ${first.phase}`,
    );
  // One that is ready tells more.
  return [...running].sort((a, b) => Number(b.ready) - Number(a.ready));
}

async function onePod(client: KubeClient, namespace: string, name: string): Promise<Pod> {
  const pod = await getObject(client, Resources.pod, { namespace, name });
  if (pod !== undefined) return pod;
  const all = await listObjects(client, Resources.pod, { namespace }).catch(() => []);
  const meant = nearest(
    name,
    all.map(({ metadata }) => metadata.name),
  );
  const remedy =
    meant === undefined
      ? `to see those there are: kubectl get pods -n ${namespace}`
      : `did you mean ${meant}?`;
  throw new MeshError('not-found', `there is no pod ${namespace}/${name}; ${remedy}`);
}

function some(pods: readonly Pod[], text: string): readonly Pod[] {
  if (pods.length === 0) throw new MeshError('not-found', `${text} has no pods`);
  return pods;
}

function selectorOf({ matchLabels, matchExpressions }: z.infer<typeof workload>['spec']['selector']): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const expressions = matchExpressions.map(({ key, operator, values }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator === 'In' ? 'in' : 'notin'} (${values.join(',')})`;
  });
  return [...labels, ...expressions].join(',');
}

function unclear(text: string): MeshError {
  return new MeshError(
    'invalid',
    `${text} does not say which pods are meant; write pod/NAME, deploy/NAME or ns/NAME`,
  );
}
