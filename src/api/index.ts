/** What a user types: kinds, their schemas and what is wrong with an object of one. */

export type { Kind } from './schema/kind.js';
export { durationMs } from './schema/duration.js';
export { KINDS } from './v1alpha1/kinds.js';
export { type TrafficPolicy, trafficPolicy } from './v1alpha1/traffic-policy.js';
export { type MeshConfig, meshConfig } from './v1alpha1/mesh-config.js';
export { UNSUPPORTED, type Unsupported } from './v1alpha1/unsupported.js';
export { findUnsupported, type NotSupported } from './v1alpha1/not-supported.js';
export { analyze, violations, type Finding, type Found } from './analyze.js';
