import type { Kind } from '../schema/kind.js';
import { type StructuralSchema, toStructural } from '../schema/structural.js';
import { refuseUnsupported } from '../v1alpha1/not-supported.js';

/** The schema of a kind's spec as the API server gets it. */
export function specSchema(kind: Kind): StructuralSchema {
  return refuseUnsupported(kind, toStructural(kind.spec));
}
