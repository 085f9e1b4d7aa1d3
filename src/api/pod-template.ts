import { nodesAt, property } from './schema/nodes-at.js';

/** Where the pods of a kind are described. */
const TEMPLATES: Readonly<Record<string, string>> = {
  Deployment: 'spec.template',
  StatefulSet: 'spec.template',
  DaemonSet: 'spec.template',
  ReplicaSet: 'spec.template',
  ReplicationController: 'spec.template',
  Job: 'spec.template',
  CronJob: 'spec.jobTemplate.spec.template',
};

/** A description of pods inside an object. */
export interface PodTemplate {
  /** Where it stands; empty for a pod itself. */
  readonly path: string;
  /** Its metadata and spec: the node of the object, so that changing it changes the object. */
  readonly pod: object;
}

/** The pods that an object describes, a workload or a pod; undefined for every other object. */
export function podTemplateOf(object: unknown): PodTemplate | undefined {
  const kind = property(object, 'kind');
  const path = kind === 'Pod' ? '' : typeof kind === 'string' ? TEMPLATES[kind] : undefined;
  if (path === undefined) return undefined;
  const node = path === '' ? object : nodesAt(object, path.split('.'))[0]?.node;
  return typeof node === 'object' && node !== null ? { path, pod: node } : undefined;
}
