import type { OwnerReference } from './objects.js';

/** What of a pod tells what it belongs to. */
export interface OwnedPod {
  readonly name: string;
  readonly owner: Pick<OwnerReference, 'kind' | 'name'> | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * The workload that a pod belongs to, as people know it: the Deployment rather than its ReplicaSet, whose name ends in the hash that the
 * pod has as a label; a pod on its own is its own.
 */
export function workloadOwner({ name, owner, labels }: OwnedPod): Pick<OwnerReference, 'kind' | 'name'> {
  if (owner === undefined) return { kind: 'Pod', name };
  const suffix = `-${labels['pod-template-hash'] ?? ''}`;
  if (owner.kind === 'ReplicaSet' && suffix !== '-' && owner.name.endsWith(suffix))
    return { kind: 'Deployment', name: owner.name.slice(0, -suffix.length) };
  return { kind: owner.kind, name: owner.name };
}
