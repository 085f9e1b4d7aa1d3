import type { BackendPolicyObject } from '../../kube/index.js';
import { toBackendTlsPolicy, type BackendTlsPolicy } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** A BackendTLSPolicy in terms of the mesh; undefined when it has not the shape of version 1. */
export function readBackendTlsPolicy(object: BackendPolicyObject): BackendTlsPolicy | undefined {
  return toBackendTlsPolicy(plainObject(object));
}
