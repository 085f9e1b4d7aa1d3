import type { BackendPolicyObject } from '../../kube/index.js';
import { toBackendPolicy, type BackendPolicy } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** An XBackendTrafficPolicy in terms of the mesh; undefined when it has not the shape of its version. */
export function readBackendPolicy(object: BackendPolicyObject): BackendPolicy | undefined {
  return toBackendPolicy(plainObject(object));
}
