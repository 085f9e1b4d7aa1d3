import type { CustomObject } from '../../kube/index.js';
import { type Problem, type TlsPolicy, toTlsPolicy, unreadTlsPolicy } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** A MeshTLSPolicy in terms of the mesh. */
export function readTlsPolicy(object: CustomObject): {
  readonly value?: TlsPolicy;
  readonly problems: readonly Problem[];
} {
  const { policy, problems } = toTlsPolicy(plainObject(object));
  return policy === undefined ? { problems } : { value: policy, problems };
}

/** What stands for a MeshTLSPolicy that cannot be read, and of which no form is known that could. */
export function standInForTlsPolicy(object: CustomObject): TlsPolicy | undefined {
  const { namespace, name, uid, generation, creationTimestamp } = object.metadata;
  const ref = { kind: 'MeshTLSPolicy', namespace, name, uid, generation, creationTimestamp } as const;
  return unreadTlsPolicy(plainObject(object), ref);
}
