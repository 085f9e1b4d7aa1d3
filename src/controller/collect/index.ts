/** From what Kubernetes says to what the mesh means: pure, one file for each kind. */
export { toEndpointSet } from './endpoint-slice.js';
export { readBackendPolicy } from './backend-policy.js';
export { readRoute } from './mesh-route.js';
export { readSettings } from './mesh-config.js';
export { hasEnded, isMeshed, toWorkload, type PodPlace } from './pod.js';
export { toService } from './service.js';
export { plainObject, readPolicy, type ReadPolicy } from './traffic-policy.js';
