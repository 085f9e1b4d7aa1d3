/** Names that several rooms, the charts and the proxy agree on. The proxy's twin is `proxy/src/names.rs`. */

/** API group and version of everything a user types. */
export const API_GROUP = 'weft.dev';
export const API_VERSION = 'v1alpha1';

/** Who we are in the status of Gateway API's routes. */
export const ROUTE_CONTROLLER = 'weft.dev/mesh-controller';

/** Namespace and service account of the control plane; proxies accept config only from this identity. */
export const SYSTEM_NAMESPACE = 'weft-system';
export const SYSTEM_SERVICE_ACCOUNT = 'weft';

/** Audience of the projected token a proxy proves its pod with. */
export const TOKEN_AUDIENCE = 'weft';

/** Ports of the control plane. */
export const ControlPlanePort = {
  webhook: 9443,
  csr: 15110,
  config: 15112,
  view: 15114,
  health: 9090,
} as const;

/** Audience of the token that lets somebody see the traffic, and the header that brings it: the API server keeps `authorization` to itself. */
export const VIEW_AUDIENCE = 'weft-view';
export const VIEW_TOKEN_HEADER = 'x-weft-view-token';

/** Ports of the proxy. */
export const ProxyPort = {
  outbound: 15101,
  inbound: 15106,
  probe: 15120,
  metrics: 15121,
} as const;

/** User and group of the proxy; traffic of this user is not captured, so no other container may use it. */
export const PROXY_UID = 2112;

/** Labels. Opting in and out is a label because only labels work in a webhook's selectors. */
export const Label = {
  inject: 'weft.dev/inject',
  rev: 'weft.dev/rev',
  defaultAccess: 'weft.dev/default-access',
  outboundPolicy: 'weft.dev/outbound-policy',
} as const;

/** Finds the Deployments and pods of control planes, of whatever revision. */
export const CONTROL_PLANES = `app.kubernetes.io/name=weft,${Label.rev}`;

export const Annotation = {
  injection: 'weft.dev/injection',
  originalProbes: 'weft.dev/original-probes',
  capture: 'weft.dev/capture',
  skipInboundPorts: 'weft.dev/skip-inbound-ports',
  skipOutboundPorts: 'weft.dev/skip-outbound-ports',
  opaquePorts: 'weft.dev/opaque-ports',
  ingressMode: 'weft.dev/ingress-mode',
  weight: 'weft.dev/weight',
  accessLog: 'weft.dev/access-log',
  workers: 'weft.dev/proxy-workers',
  podCertificates: 'weft.dev/pod-certificates',
  cpuRequest: 'weft.dev/proxy-cpu-request',
  cpuLimit: 'weft.dev/proxy-cpu-limit',
  memoryRequest: 'weft.dev/proxy-memory-request',
  memoryLimit: 'weft.dev/proxy-memory-limit',
} as const;

/** Containers and volumes the webhook adds to a pod. */
export const INIT_CONTAINER = 'weft-init';
export const PROXY_CONTAINER = 'weft-proxy';
/** How the init container ends where the CNI plugin should have captured the pod and has not. */
export const UNCAPTURED_EXIT_CODE = 3;
/** What both of them run. */
export const PROXY_BINARY = '/usr/local/bin/weft-proxy';

/**
 * Where the webhook notes in a pod's spec what its annotations said when it was created, because annotations can be changed
 * later: ports without a proxy as an argument of the init container, ports of bytes as a variable of the proxy.
 */
export const SKIP_INBOUND_OPTION = '--skip-inbound-ports';
export const OPAQUE_PORTS_VARIABLE = 'WEFT_OPAQUE_PORTS';

/** ConfigMap with the trust bundle in every meshed namespace, and its key. */
export const TRUST_CONFIG_MAP = 'weft-trust';
export const TRUST_BUNDLE_KEY = 'bundle.pem';
/** Key beside it: fingerprint (SHA-256) of the issuer that signs; a proxy whose certificate has another one renews it soon. */
export const TRUST_ISSUER_KEY = 'issuer';

/** Signer of pod certificates (Kubernetes 1.37): who signs, and whom a ClusterTrustBundle is about. */
export const POD_SIGNER = 'weft.dev/workload';
/** Has the proxy use what the kubelet mounts. */
export const POD_CERTIFICATE_VARIABLE = 'WEFT_POD_CERTIFICATE';

/** The ClusterTrustBundle of a revision. The API server wants the name of the signer before it. */
export function trustBundleName(revision: string): string {
  return `${POD_SIGNER.replace('/', ':')}:${revision}`;
}

/** Service account that may do nothing; whoever may have a token made for it sees the traffic. */
export function viewAccount(revision: string): string {
  return `${revisionName(revision)}-view`;
}

/** Name shared by the Deployment, Service, Lease and webhook configuration of a revision. */
export function revisionName(revision: string): string {
  return `weft-${revision}`;
}
