import type { KubeObject, Resource } from '../../kube/index.js';
import type { LastKnown } from './record.js';

/**
 * Objects of a kind as they were recorded last: what stands for them while the API server does not serve the kind, and a
 * process that starts then could not know that there were any.
 */
export function recordedObjects<O extends KubeObject>(
  records: Iterable<LastKnown>,
  resource: Resource<O>,
): readonly O[] {
  const objects: O[] = [];
  for (const { forms } of records) {
    for (const [uid, recorded] of forms) {
      const [newest] = recorded
        .filter(({ object }) => object?.kind === resource.kind)
        .sort((a, b) => b.generation - a.generation);
      if (newest?.object === undefined) continue;
      const { kind, ...name } = newest.object;
      const metadata = { ...name, uid, generation: newest.generation };
      objects.push(resource.keep({ apiVersion: resource.apiVersion, kind, metadata, spec: newest.spec }));
    }
  }
  return objects;
}
