import type { CustomObject } from '../../kube/index.js';
import { toPolicy, type Policy, type Problem } from '../../model/index.js';

/** What became of a TrafficPolicy object. */
export interface ReadPolicy {
  /** Absent when it cannot act; whatever acted before goes on acting. */
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
}

/** A TrafficPolicy in terms of the mesh. */
export function readPolicy(object: CustomObject): ReadPolicy {
  return toPolicy(plainObject(object));
}

/** As the API server stores it, without what we put in place of absent fields. */
export function plainObject({
  apiVersion,
  kind,
  metadata,
  spec,
}: Pick<CustomObject, 'apiVersion' | 'kind' | 'metadata' | 'spec'>): object {
  const { name, namespace, uid, generation, creationTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === '' ? {} : { namespace }), uid, generation, creationTimestamp },
    spec,
  };
}
