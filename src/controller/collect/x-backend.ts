import type { BackendPolicyObject } from '../../kube/index.js';
import { toXBackend, type XBackend } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** An XBackend in terms of the mesh; undefined when it has not the shape of its version. */
export function readXBackend(object: BackendPolicyObject): XBackend | undefined {
  return toXBackend(plainObject(object));
}
