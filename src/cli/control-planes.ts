import { z } from 'zod';
import { nearest } from '../api/index.js';
import { MeshError, names } from '../base/index.js';
import { Resources, getObject, type KubeClient } from '../kube/index.js';
import { Kinds, readList } from './read-list.js';

const deployment = z.object({
  metadata: z.object({
    name: z.string(),
    namespace: z.string(),
    generation: z.number().default(0),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
  spec: z.object({
    replicas: z.number().default(1),
    template: z
      .object({
        spec: z.object({
          containers: z.array(
            z.object({
              image: z.string().default(''),
              env: z.array(z.object({ name: z.string(), value: z.string().default('') })).default([]),
            }),
          ),
        }),
      })
      .prefault({ spec: { containers: [] } }),
  }),
  status: z
    .object({
      observedGeneration: z.number().default(0),
      replicas: z.number().default(0),
      readyReplicas: z.number().default(0),
      updatedReplicas: z.number().default(0),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(''),
            message: z.string().default(''),
          }),
        )
        .default([]),
    })
    .prefault({}),
});

/** The Deployment of a control plane. */
export type ControlPlane = z.infer<typeof deployment>;

/** The control planes of the cluster, of every revision. */
export async function findControlPlanes(client: KubeClient): Promise<readonly ControlPlane[]> {
  return readList(client, Kinds.deployment, deployment, { labelSelector: names.CONTROL_PLANES });
}

/** Revision that a control plane serves. */
export function revisionOf({ metadata }: ControlPlane): string {
  return metadata.labels[names.Label.rev] ?? 'default';
}

/** Throws `not-found` where the cluster has control planes and none of this revision, naming those there are. */
export async function demandRevision(client: KubeClient, revision: string, command: string): Promise<void> {
  const known = await findControlPlanes(client).catch(tolerateForbidden);
  if (known === undefined || known.length === 0) return;
  const revisions = known.map(revisionOf);
  if (revisions.includes(revision)) return;
  const [first = 'default'] = revisions;
  throw new MeshError(
    'not-found',
    `there is no control plane of revision ${revision}; there is: ${revisions.join(', ')}; try: ${command} --revision ${nearest(revision, revisions) ?? first}`,
  );
}

/** Throws `not-found` where the namespace does not exist, naming the one that was probably meant. */
export async function demandNamespace(client: KubeClient, namespace: string, command: string): Promise<void> {
  const there = await getObject(client, Resources.namespace, { name: namespace }).catch(tolerateForbidden);
  if (there !== undefined) return;
  const all = await readList(client, Resources.namespace, named).catch(tolerateForbidden);
  if (all === undefined || all.some(({ metadata }) => metadata.name === namespace)) return;
  const meant = nearest(
    namespace,
    all.map(({ metadata }) => metadata.name),
  );
  const remedy =
    meant === undefined ? 'to see those there are: kubectl get namespaces' : `try: ${command} -n ${meant}`;
  throw new MeshError('not-found', `namespace ${namespace} does not exist; ${remedy}`);
}

const named = z.object({ metadata: z.object({ name: z.string() }) });

/** Who may not look is not told that nothing is there. */
function tolerateForbidden(thrown: unknown): undefined {
  const error = MeshError.from(thrown);
  if (error.code !== 'permission-denied') throw error;
  return undefined;
}
