/** What rights are for that several kinds share; kinds of one group and reason share a line of the chart. */
export const MADE_OF = 'what the mesh consists of; of nodes only zone and kubelet version';
export const ASKED_FOR = 'policies and settings that users write';
export const BECAME = 'their status';
export const GATEWAY_API = 'routes and grants of Gateway API';
export const BACKEND_TLS =
  'which servers outside the mesh expect TLS, so that nothing is sent there in plain text';
export const AUTHORITIES =
  'certificate authorities that BackendTLSPolicies and ExternalServices name; asked for in the namespaces of such objects only, and RBAC cannot be limited to that';
export const TRUST_BUNDLES = 'the same, where they are in ClusterTrustBundles; and the one of our own';
export const POD_CERTIFICATES =
  'requests of kubelets for pod certificates; only those of signer `weft.dev/workload` are asked for, and RBAC cannot be limited to that';
export const EXPERIMENTAL = 'the experimental channel of Gateway API';
export const OUR_ENTRIES = 'our entries in their status';
