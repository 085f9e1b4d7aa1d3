/** From what Kubernetes says to what the mesh means: pure, one file for each kind. */
export { readJwtIssuer, readRole, readRoleBinding, standInForRoleBinding, toNamespace } from './access.js';
export { toEndpointSet } from './endpoint-slice.js';
export { readExternalService } from './external-service.js';
export { readBackendPolicy } from './backend-policy.js';
export { readBackendTlsPolicy } from './backend-tls-policy.js';
export { readRoute } from './mesh-route.js';
export { hasEnded, hasOurProxy, isMeshed, toWorkload, type PodPlace } from './pod.js';
export { toGrant } from './reference-grant.js';
export { toService } from './service.js';
export { readTlsPolicy, standInForTlsPolicy } from './tls-policy.js';
export { plainObject, readPolicy, standInForPolicy } from './traffic-policy.js';
export { readXBackend } from './x-backend.js';
