import { names } from '../base/index.js';
import {
  keepBackendPolicy,
  keepCaBundle,
  keepConfigMap,
  keepCustom,
  keepEndpointSlice,
  keepMesh,
  keepNamespace,
  keepNode,
  keepNothing,
  keepPod,
  keepPodCertificateRequest,
  keepReferenceGrant,
  keepRoute,
  keepSecret,
  keepService,
  keepTrustBundle,
  keepWebhookConfiguration,
  type RawObject,
} from './keep.js';
import type { CustomObject, KubeObject } from './objects.js';

/** A kind of object: where the API server serves it, and what we keep of it. */
export interface Resource<T extends KubeObject> {
  /** `v1`, or `<group>/<version>`. */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly keep: (raw: RawObject) => T;
}

const GATEWAY_API_VERSION = 'gateway.networking.k8s.io/v1';

/** Of its experimental channel. */
const GATEWAY_API_X_VERSION = 'gateway.networking.x-k8s.io/v1alpha1';

/** Every kind of others that Weft reads or writes; `ownResource` makes those of Weft's own API group. */
export const Resources = {
  namespace: { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', keep: keepNamespace },
  node: { apiVersion: 'v1', kind: 'Node', plural: 'nodes', keep: keepNode },
  pod: { apiVersion: 'v1', kind: 'Pod', plural: 'pods', keep: keepPod },
  service: { apiVersion: 'v1', kind: 'Service', plural: 'services', keep: keepService },
  configMap: { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', keep: keepConfigMap },
  /** Of the same objects what stands under `ca.crt`. */
  caBundle: { apiVersion: 'v1', kind: 'ConfigMap', plural: 'configmaps', keep: keepCaBundle },
  clusterTrustBundle: {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'ClusterTrustBundle',
    plural: 'clustertrustbundles',
    keep: keepTrustBundle,
  },
  podCertificateRequest: {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'PodCertificateRequest',
    plural: 'podcertificaterequests',
    keep: keepPodCertificateRequest,
  },
  secret: { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', keep: keepSecret },
  event: { apiVersion: 'v1', kind: 'Event', plural: 'events', keep: keepNothing },
  endpointSlice: {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    plural: 'endpointslices',
    keep: keepEndpointSlice,
  },
  webhookConfiguration: {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    plural: 'mutatingwebhookconfigurations',
    keep: keepWebhookConfiguration,
  },
  replicaSet: { apiVersion: 'apps/v1', kind: 'ReplicaSet', plural: 'replicasets', keep: keepNothing },
  mesh: {
    apiVersion: GATEWAY_API_X_VERSION,
    kind: 'XMesh',
    plural: 'xmeshes',
    keep: keepMesh,
  },
  backendPolicy: {
    apiVersion: GATEWAY_API_X_VERSION,
    kind: 'XBackendTrafficPolicy',
    plural: 'xbackendtrafficpolicies',
    keep: keepBackendPolicy,
  },
  xBackend: {
    apiVersion: GATEWAY_API_X_VERSION,
    kind: 'XBackend',
    plural: 'xbackends',
    keep: keepBackendPolicy,
  },
  backendTlsPolicy: {
    apiVersion: GATEWAY_API_VERSION,
    kind: 'BackendTLSPolicy',
    plural: 'backendtlspolicies',
    keep: keepBackendPolicy,
  },
  /** Of the version that every release of Gateway API since v0.6 serves. */
  referenceGrant: {
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    plural: 'referencegrants',
    keep: keepReferenceGrant,
  },
  httpRoute: {
    apiVersion: GATEWAY_API_VERSION,
    kind: 'HTTPRoute',
    plural: 'httproutes',
    keep: keepRoute,
  },
  grpcRoute: {
    apiVersion: GATEWAY_API_VERSION,
    kind: 'GRPCRoute',
    plural: 'grpcroutes',
    keep: keepRoute,
  },
  tlsRoute: {
    apiVersion: GATEWAY_API_VERSION,
    kind: 'TLSRoute',
    plural: 'tlsroutes',
    keep: keepRoute,
  },
  tcpRoute: {
    apiVersion: GATEWAY_API_VERSION,
    kind: 'TCPRoute',
    plural: 'tcproutes',
    keep: keepRoute,
  },
} as const satisfies Record<string, Resource<KubeObject>>;

/** A kind of Weft's own API group; what users write in its objects is kept as it is. */
export function ownResource({
  kind,
  plural,
}: Pick<Resource<CustomObject>, 'kind' | 'plural'>): Resource<CustomObject> {
  return { apiVersion: `${names.API_GROUP}/${names.API_VERSION}`, kind, plural, keep: keepCustom };
}

/** Path of one object, or of the collection when no name is given. Cluster-wide kinds take an empty namespace. */
export function resourcePath(
  resource: Pick<Resource<KubeObject>, 'apiVersion' | 'plural'>,
  at: { namespace?: string; name?: string; subresource?: string } = {},
): string {
  const root = resource.apiVersion.includes('/')
    ? `/apis/${resource.apiVersion}`
    : `/api/${resource.apiVersion}`;
  const namespace = at.namespace === undefined || at.namespace === '' ? '' : `/namespaces/${at.namespace}`;
  const name = at.name === undefined ? '' : `/${at.name}`;
  const subresource = at.subresource === undefined ? '' : `/${at.subresource}`;
  return `${root}${namespace}/${resource.plural}${name}${subresource}`;
}
