import { names } from '../../base/index.js';
import { namesRevision } from '../../controller/index.js';
import { Resources, listObjects, type Namespace } from '../../kube/index.js';
import type { CheckOptions } from './found.js';

/**
 * The namespaces that have joined the mesh of a revision. One that is being deleted is left out: it loses what the mesh keeps in it
 * before its last pods are gone and takes no new ones, so there is nothing to put in order.
 */
export async function joinedNamespaces({ client, revision }: CheckOptions): Promise<readonly Namespace[]> {
  const labelled = await listObjects(client, Resources.namespace, {
    labelSelector: `${names.Label.inject}=enabled`,
  });
  return labelled.filter(({ metadata }) => !metadata.deleting && namesRevision(metadata.labels, revision));
}
