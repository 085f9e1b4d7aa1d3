import { z } from 'zod';
import type { KubeClient } from '../../kube/index.js';
import { Kinds, readList } from '../read-list.js';

/** What makes pods and has fewer than it wants, because they are refused. */
export interface Lacking {
  /** As in `Deployment`. */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly pods: number;
  /** Why, in the API server's words. */
  readonly message: string;
}

const metadata = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string().default(''),
  ownerReferences: z.array(z.object({ kind: z.string(), name: z.string() })).default([]),
});
const count = z.number().default(0);
const conditions = z
  .array(z.object({ type: z.string(), status: z.string(), message: z.string().default('') }))
  .default([]);

const replicaSet = z.object({
  metadata,
  spec: z.object({ replicas: z.number().default(1) }).prefault({}),
  status: z.object({ replicas: count, conditions }).prefault({}),
});
const statefulSet = z.object({
  metadata,
  spec: z.object({ replicas: z.number().default(1) }).prefault({}),
  status: z.object({ replicas: count }).prefault({}),
});
const daemonSet = z.object({
  metadata,
  status: z.object({ desiredNumberScheduled: count, currentNumberScheduled: count }).prefault({}),
});
const job = z.object({
  metadata,
  spec: z.object({ parallelism: z.number().default(1), suspend: z.boolean().default(false) }).prefault({}),
  status: z.object({ active: count, completionTime: z.string().optional(), conditions }).prefault({}),
});
const event = z.object({
  reason: z.string().default(''),
  message: z.string().default(''),
  involvedObject: z.object({ kind: z.string().default(''), uid: z.string().default('') }).prefault({}),
});

/**
 * Everything in a namespace that lacks pods because they are refused. ReplicaSets say so in their status; of the other kinds only
 * events tell, for an hour.
 */
export async function lackingPods(client: KubeClient, namespace: string): Promise<readonly Lacking[]> {
  const at = { namespace };
  const [sets, statefulSets, daemonSets, jobs, events] = await Promise.all([
    readList(client, Kinds.replicaSet, replicaSet, at),
    readList(client, Kinds.statefulSet, statefulSet, at),
    readList(client, Kinds.daemonSet, daemonSet, at),
    readList(client, Kinds.job, job, at),
    readList(client, Kinds.event, event, at),
  ]);
  const refusals = new Map(
    events
      .filter(({ reason }) => reason === 'FailedCreate')
      .map(({ involvedObject, message }) => [involvedObject.uid, message]),
  );
  const told = (kind: string, { name, uid }: z.infer<typeof metadata>, pods: number): readonly Lacking[] => {
    const message = refusals.get(uid);
    return message === undefined || pods <= 0 ? [] : [{ kind, namespace, name, pods, message }];
  };
  return [
    ...sets.flatMap(ofReplicaSet),
    ...statefulSets.flatMap((one) =>
      told('StatefulSet', one.metadata, one.spec.replicas - one.status.replicas),
    ),
    ...daemonSets.flatMap(({ metadata: of, status }) =>
      told('DaemonSet', of, status.desiredNumberScheduled - status.currentNumberScheduled),
    ),
    ...jobs.flatMap((one) => told('Job', one.metadata, lackingOfJob(one))),
  ];
}

function ofReplicaSet({ metadata: of, spec, status }: z.infer<typeof replicaSet>): readonly Lacking[] {
  const failure = status.conditions.find(
    ({ type, status: is }) => type === 'ReplicaFailure' && is === 'True',
  );
  const pods = spec.replicas - status.replicas;
  if (failure === undefined || pods <= 0) return [];
  const owner = of.ownerReferences.find(({ kind }) => kind === 'Deployment');
  const { kind, name } = owner ?? { kind: 'ReplicaSet', name: of.name };
  return [{ kind, namespace: of.namespace, name, pods, message: failure.message }];
}

/** A Job whose pods have ended wants no more of them. */
function lackingOfJob({ spec, status }: z.infer<typeof job>): number {
  const isOver =
    status.completionTime !== undefined || status.conditions.some(({ status: is }) => is === 'True');
  return isOver || spec.suspend || status.active > 0 ? 0 : spec.parallelism;
}
