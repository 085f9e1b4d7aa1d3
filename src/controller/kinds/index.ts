/** A row for each kind of object that the control plane follows; docs/architecture.md says how to add one. */
import type { CustomObject } from '../../kube/index.js';
import { backendPolicy } from './backend-policy.js';
import { backendTlsPolicy } from './backend-tls-policy.js';
import { caBundle, clusterTrustBundle } from './ca-bundle.js';
import { endpointSlice } from './endpoint-slice.js';
import { externalService } from './external-service.js';
import { jwtIssuer } from './jwt-issuer.js';
import type { KindRow } from './kind.js';
import { mesh } from './mesh.js';
import { meshConfig } from './mesh-config.js';
import { meshRole } from './mesh-role.js';
import { meshRoleBinding } from './mesh-role-binding.js';
import { meshTlsPolicy } from './mesh-tls-policy.js';
import { namespace } from './namespace.js';
import { node } from './node.js';
import { acks, issuer, lastKnown, rotation } from './own-records.js';
import { pod } from './pod.js';
import { podCertificateRequest } from './pod-certificate-request.js';
import { referenceGrant } from './reference-grant.js';
import { grpcRoute, httpRoute, tcpRoute, tlsRoute } from './route.js';
import { service } from './service.js';
import { trafficPolicy } from './traffic-policy.js';
import { xBackend } from './x-backend.js';

export type {
  Access,
  Feed,
  Installation,
  Judged,
  KindRow,
  Read,
  StatusFacts,
  StatusJudge,
  StatusShape,
  Surroundings,
} from './kind.js';

/** By the name of the informer in `ClusterView`, in the order in which they are listed and documented. */
export const Kinds = {
  pods: pod,
  services: service,
  namespaces: namespace,
  nodes: node,
  endpointSlices: endpointSlice,
  policies: trafficPolicy,
  meshConfigs: meshConfig,
  roles: meshRole,
  roleBindings: meshRoleBinding,
  tlsPolicies: meshTlsPolicy,
  jwtIssuers: jwtIssuer,
  externalServices: externalService,
  httpRoutes: httpRoute,
  grpcRoutes: grpcRoute,
  tlsRoutes: tlsRoute,
  tcpRoutes: tcpRoute,
  referenceGrants: referenceGrant,
  backendTlsPolicies: backendTlsPolicy,
  caBundles: caBundle,
  clusterTrustBundles: clusterTrustBundle,
  podCertificateRequests: podCertificateRequest,
  meshes: mesh,
  backendPolicies: backendPolicy,
  xBackends: xBackend,
  issuer,
  acks,
  lastKnown,
  rotation,
};

export type Kinds = typeof Kinds;

/** The kinds that we define, each with its type, schema and documentation. */
export function ownKinds(): readonly OwnKind[] {
  return Object.values<KindRow>(Kinds).filter((row): row is OwnKind => row.api !== undefined);
}

export type OwnKind = KindRow<CustomObject> & Required<Pick<KindRow, 'api'>>;
