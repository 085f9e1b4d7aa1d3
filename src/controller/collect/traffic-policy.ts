import type { CustomObject } from '../../kube/index.js';
import { toPolicy, unreadPolicy, type Policy, type Problem } from '../../model/index.js';

/** A TrafficPolicy in terms of the mesh; without a value when it cannot act. */
export function readPolicy(object: CustomObject): {
  readonly value?: Policy | undefined;
  readonly problems: readonly Problem[];
} {
  const { policy, problems } = toPolicy(plainObject(object));
  return { value: policy, problems };
}

/** What stands for a TrafficPolicy that cannot be read, and of which no form is known that could. */
export function standInForPolicy(object: CustomObject): Policy | undefined {
  const { namespace, name, uid, generation, creationTimestamp } = object.metadata;
  const ref = { kind: 'TrafficPolicy', namespace, name, uid, generation, creationTimestamp } as const;
  return unreadPolicy(plainObject(object), ref);
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
