import { names } from '../base/index.js';
import type { ObjectMeta } from '../kube/index.js';
import type { ClusterView } from './cluster-view.js';

const DEFAULT = 'default';

/**
 * Whether a control plane of this revision answers for an object: writes its status, its events and its trust bundle. Of
 * several revisions one does, so that they never overwrite each other: the one that the label `weft.dev/rev` of the
 * namespace names (of the object itself where the kind has no namespace), else the revision `default`.
 */
export function answersFor(
  view: Pick<ClusterView, 'namespaces'>,
  revision: string,
  { namespace, labels }: Pick<ObjectMeta, 'namespace' | 'labels'>,
): boolean {
  const deciding = namespace === '' ? labels : (view.namespaces.store.get(namespace)?.metadata.labels ?? {});
  return namesRevision(deciding, revision);
}

/** Whether labels leave what carries them to a revision: by naming it, or by naming none where it is the revision `default`. */
export function namesRevision(labels: Readonly<Record<string, string>>, revision: string): boolean {
  return (labels[names.Label.rev] ?? DEFAULT) === revision;
}
