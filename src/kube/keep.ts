import type {
  V1ConfigMap,
  V1Container,
  V1Endpoint,
  V1EndpointSlice,
  V1LabelSelector,
  V1MutatingWebhook,
  V1MutatingWebhookConfiguration,
  V1Namespace,
  V1Node,
  V1ObjectMeta,
  V1Pod,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import { names } from '../base/index.js';
import type {
  BackendPolicyObject,
  CaBundleObject,
  Condition,
  ConfigMap,
  CustomObject,
  EndpointSlice,
  KubeObject,
  MeshContainer,
  MeshObject,
  Namespace,
  Node,
  ObjectMeta,
  Pod,
  PodCertificateRequest,
  ReferenceGrant,
  RouteObject,
  Secret,
  Service,
  SliceEndpoint,
  WebhookConfiguration,
} from './objects.js';

/** A type of the client library as JSON gives it: no classes, dates as text. */
type Plain<T> = T extends Date
  ? string
  : T extends readonly (infer U)[]
    ? Plain<U>[]
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T;

/** What an answer of the API server looks like before we take from it what we keep. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: Plain<V1ObjectMeta>;
  readonly spec?: unknown;
  readonly status?: unknown;
}

/** The value, or what its absence means. */
function or<T>(value: T | undefined, absent: T): T {
  return value ?? absent;
}

/** Names the Certificate that a Secret is kept for. */
const CERT_MANAGER = 'cert-manager.io/certificate-name';
const ZONE_LABEL = 'topology.kubernetes.io/zone';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const TOPOLOGY_MODE_ANNOTATION = 'service.kubernetes.io/topology-mode';
/** What the API server fills in where a Service says nothing. */
const DEFAULT_AFFINITY_SECONDS = 10_800;
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function keepMeta(
  meta: Plain<V1ObjectMeta> = {},
  keepAnnotation: (name: string) => boolean = isOurs,
): ObjectMeta {
  return {
    name: or(meta.name, ''),
    namespace: or(meta.namespace, ''),
    uid: or(meta.uid, ''),
    resourceVersion: or(meta.resourceVersion, ''),
    generation: or(meta.generation, 0),
    creationTimestamp: or(meta.creationTimestamp, ''),
    deleting: meta.deletionTimestamp !== undefined,
    labels: or(meta.labels, {}),
    annotations: pick(meta.annotations, keepAnnotation),
    ...keepOwner(or(meta.ownerReferences, [])),
  };
}

/** The one that controls an object, as a ReplicaSet does its pods. */
export function controllerOf<R extends { readonly controller?: boolean | undefined }>(
  references: readonly R[],
): R | undefined {
  return references.find(({ controller }) => controller === true) ?? references[0];
}

function keepOwner(
  references: NonNullable<Plain<V1ObjectMeta>['ownerReferences']>,
): Pick<ObjectMeta, 'owner'> {
  const owner = controllerOf(references);
  if (owner === undefined) return {};
  const { apiVersion, kind, name, uid } = owner;
  return { owner: { apiVersion, kind, name, uid } };
}

function isOurs(annotation: string): boolean {
  return annotation.startsWith(`${names.API_GROUP}/`);
}

function pick(
  from: Record<string, string> | undefined,
  wanted: (name: string) => boolean,
): Record<string, string> {
  return Object.fromEntries(Object.entries(from ?? {}).filter(([name]) => wanted(name)));
}

/** Keeps metadata and nothing else. */
export function keepNothing(raw: RawObject): KubeObject {
  return { metadata: keepMeta(raw.metadata) };
}

export function keepNamespace(raw: RawObject): Namespace {
  const { metadata, status } = raw as Plain<V1Namespace>;
  return { metadata: keepMeta(metadata), phase: status?.phase ?? 'Active' };
}

/** Of a node only zone and kubelet: nodes change every few minutes, and nothing else of them matters here. */
export function keepNode(raw: RawObject): Node {
  const kept = keepMeta(raw.metadata);
  const zone = kept.labels[ZONE_LABEL] ?? '';
  const { status } = raw as Plain<V1Node>;
  return { metadata: { ...kept, labels: {} }, zone, kubeletVersion: status?.nodeInfo?.kubeletVersion ?? '' };
}

export function keepPod(raw: RawObject): Pod {
  const { metadata, spec, status } = raw as Partial<Plain<V1Pod>>;
  const containers = or(spec?.containers, []);
  return {
    metadata: keepMeta(metadata),
    nodeName: or(spec?.nodeName, ''),
    serviceAccount: or(spec?.serviceAccountName, 'default'),
    hostNetwork: or(spec?.hostNetwork, false),
    dnsPolicy: or(spec?.dnsPolicy, 'ClusterFirst'),
    containers: containers.map((container) => container.name),
    initContainers: or(spec?.initContainers, []).map((container) => container.name),
    meshContainers: keepMeshContainers([...or(spec?.initContainers, []), ...containers]),
    ports: containers.flatMap(keepPorts),
    phase: or(status?.phase, 'Pending'),
    ips: keepIps(status),
    ready: or(status?.conditions, []).some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    ...uncaptured(status),
  };
}

function uncaptured(status: Plain<V1Pod>['status']): Pick<Pod, 'isUncaptured'> {
  const init = status?.initContainerStatuses?.find(({ name }) => name === names.INIT_CONTAINER);
  const ends = [init?.state?.terminated, init?.lastState?.terminated];
  const isUncaptured = ends.some((end) => end?.exitCode === names.UNCAPTURED_EXIT_CODE);
  return isUncaptured ? { isUncaptured } : {};
}

/** Of our own containers what was written at the pod's creation and cannot change. */
function keepMeshContainers(containers: readonly Plain<V1Container>[]): Pod['meshContainers'] {
  const find = (name: string): MeshContainer | undefined => {
    const container = containers.find((one) => one.name === name);
    return container === undefined
      ? undefined
      : {
          command: or(container.command, []),
          args: or(container.args, []),
          user: container.securityContext?.runAsUser,
          opaquePorts: container.env?.find((one) => one.name === names.OPAQUE_PORTS_VARIABLE)?.value,
          podCertificate: container.env?.some((one) => one.name === names.POD_CERTIFICATE_VARIABLE) === true,
        };
  };
  return { init: find(names.INIT_CONTAINER), proxy: find(names.PROXY_CONTAINER) };
}

function keepPorts(container: Plain<V1Container>): Pod['ports'] {
  return (container.ports ?? []).map((port) => ({
    name: port.name ?? '',
    port: port.containerPort,
    protocol: port.protocol ?? 'TCP',
  }));
}

function keepIps(status: Plain<V1Pod>['status']): readonly string[] {
  if (status?.podIPs !== undefined && status.podIPs.length > 0) return status.podIPs.map(({ ip }) => ip);
  return status?.podIP === undefined ? [] : [status.podIP];
}

export function keepService(raw: RawObject): Service {
  const { metadata, spec = {} } = raw as Plain<V1Service>;
  const clusterIPs = or(spec.clusterIPs, [or(spec.clusterIP, '')]);
  return {
    metadata: keepMeta(metadata),
    type: or(spec.type, 'ClusterIP'),
    clusterIPs: clusterIPs.filter((ip) => ip !== '' && ip !== 'None'),
    selector: or(spec.selector, {}),
    ports: or(spec.ports, []).map((port) => ({
      name: or(port.name, ''),
      protocol: or(port.protocol, 'TCP'),
      port: port.port,
      targetPort: or(port.targetPort, port.port),
      appProtocol: or(port.appProtocol, ''),
    })),
    publishNotReady: or(spec.publishNotReadyAddresses, false),
    trafficDistribution: or(spec.trafficDistribution, ''),
    topologyMode: or(metadata?.annotations?.[TOPOLOGY_MODE_ANNOTATION], ''),
    internalTrafficPolicy: or(spec.internalTrafficPolicy, 'Cluster'),
    sessionAffinity: or(spec.sessionAffinity, 'None'),
    affinitySeconds: or(spec.sessionAffinityConfig?.clientIP?.timeoutSeconds, DEFAULT_AFFINITY_SECONDS),
  };
}

export function keepEndpointSlice(raw: RawObject): EndpointSlice {
  const { metadata, addressType, ports, endpoints } = raw as Plain<V1EndpointSlice>;
  const kept = keepMeta(metadata);
  return {
    metadata: kept,
    service: or(kept.labels[SERVICE_NAME_LABEL], ''),
    addressType,
    ports: or(ports, []).flatMap(({ name, port, protocol }) =>
      port === undefined ? [] : [{ name: or(name, ''), port, protocol: or(protocol, 'TCP') }],
    ),
    // The library says there always are some; the API server says null for an empty slice.
    endpoints: or<Plain<V1Endpoint>[] | null>(endpoints, null)?.map(keepEndpoint) ?? [],
  };
}

/** Absent conditions mean unknown, which the API says to read as ready and not terminating. */
function keepEndpoint(raw: Plain<V1Endpoint>): SliceEndpoint {
  const { addresses, conditions, zone, nodeName, targetRef } = raw;
  const ready = or(conditions?.ready, true);
  return {
    addresses,
    ready,
    serving: or(conditions?.serving, ready),
    terminating: or(conditions?.terminating, false),
    zone: or(zone, ''),
    nodeName: or(nodeName, ''),
    ...keepHints(raw),
    podUid: targetRef?.kind === 'Pod' ? or(targetRef.uid, '') : '',
  };
}

/** Of several zones or nodes the first counts. */
function keepHints({ hints }: Plain<V1Endpoint>): Pick<SliceEndpoint, 'forZone' | 'forNode'> {
  return { forZone: or(hints?.forZones?.[0]?.name, ''), forNode: or(hints?.forNodes?.[0]?.name, '') };
}

export function keepConfigMap(raw: RawObject): ConfigMap {
  const { metadata, data } = raw as Plain<V1ConfigMap>;
  return { metadata: keepMeta(metadata), data: data ?? {} };
}

/** The certificates of authorities in a ConfigMap, where it has some. */
export function keepCaBundle(raw: RawObject): CaBundleObject {
  const { metadata, data } = raw as Plain<V1ConfigMap>;
  const pem = data?.[CA_KEY];
  return { metadata: keepMeta(metadata), ...(pem === undefined ? {} : { pem }) };
}

/** The certificates of a ClusterTrustBundle, which the API server has parsed. */
export function keepTrustBundle(raw: RawObject): CaBundleObject {
  const { trustBundle } = (raw.spec ?? {}) as { readonly trustBundle?: string };
  return { metadata: keepMeta(raw.metadata), ...(trustBundle === undefined ? {} : { pem: trustBundle }) };
}

/** Of version 1; the library knows only those before. */
export function keepPodCertificateRequest(raw: RawObject): PodCertificateRequest {
  const spec = (raw.spec ?? {}) as Readonly<Record<string, string | undefined>> & {
    readonly maxExpirationSeconds?: number;
    readonly unverifiedUserAnnotations?: Readonly<Record<string, string>>;
  };
  const { conditions = [] } = (raw.status ?? {}) as { readonly conditions?: readonly Condition[] };
  const isDecided = conditions.some(({ type }) => ['Issued', 'Denied', 'Failed'].includes(type));
  return {
    metadata: keepMeta(raw.metadata),
    podName: or(spec['podName'], ''),
    podUid: or(spec['podUID'], ''),
    serviceAccount: or(spec['serviceAccountName'], ''),
    nodeName: or(spec['nodeName'], ''),
    nodeUid: or(spec['nodeUID'], ''),
    maxExpirationSeconds: or(spec.maxExpirationSeconds, A_DAY_SECONDS),
    csr: isDecided ? '' : or(spec['stubPKCS10Request'], ''),
    annotations: Object.keys(or(spec.unverifiedUserAnnotations, {})),
    isDecided,
  };
}

/** What the API server fills in where a request says nothing. */
const A_DAY_SECONDS = 86_400;

/** As Gateway API and Kubernetes itself call it. */
const CA_KEY = 'ca.crt';

export function keepSecret(raw: RawObject): Secret {
  const { metadata, data } = raw as Plain<V1Secret>;
  const decoded = Object.entries(data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString('utf8'),
  ]);
  const kept = keepMeta(metadata, (name) => isOurs(name) || name === CERT_MANAGER);
  return { metadata: kept, data: Object.fromEntries(decoded) as Record<string, string> };
}

export function keepWebhookConfiguration(raw: RawObject): WebhookConfiguration {
  const { metadata, webhooks } = raw as Plain<V1MutatingWebhookConfiguration>;
  return {
    metadata: keepMeta(metadata),
    webhooks: (webhooks ?? []).map((webhook) => ({
      name: webhook.name,
      caBundle: webhook.clientConfig.caBundle ?? '',
      asks: webhook.clientConfig.service,
      failurePolicy: webhook.failurePolicy ?? 'Fail',
      asksAboutNewPods: (webhook.rules ?? []).some((rule) =>
        NEW_PODS.every(([field, word]) => holds(rule[field] ?? [], word)),
      ),
      asksAboutMore: (webhook.rules ?? []).flatMap((rule) =>
        NEW_PODS.every(([field, word]) => (rule[field] ?? []).every((one) => one === word))
          ? []
          : [ruleText(rule)],
      ),
      hasMatchConditions: (webhook.matchConditions ?? []).length > 0,
      namespaceSelector: requirementsOf(webhook.namespaceSelector),
      objectSelector: requirementsOf(webhook.objectSelector),
    })),
  };
}

type Rule = NonNullable<Plain<V1MutatingWebhook>['rules']>[number];

const NEW_PODS = [
  ['apiGroups', ''],
  ['apiVersions', 'v1'],
  ['resources', 'pods'],
  ['operations', 'CREATE'],
] as const;

/** Such as `CREATE of pods`, `* of apps/v1 deployments`. */
function ruleText({ apiGroups = [], apiVersions = [], resources = [], operations = [] }: Rule): string {
  const group = apiGroups.join(', ');
  const version = apiVersions.join(', ');
  const of = group === '' && version === 'v1' ? '' : `${group === '' ? 'core' : group}/${version} `;
  return `${operations.join(', ')} of ${of}${resources.join(', ')}`;
}

function holds(words: readonly string[], wanted: string): boolean {
  return words.includes(wanted) || words.includes('*');
}

/** Requirements of a label selector, each in words in which equal ones are equal text. */
function requirementsOf(selector: Plain<V1LabelSelector> | undefined): readonly string[] {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]) => `${key} In [${value}]`);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }) =>
    values.length === 0 ? `${key} ${operator}` : `${key} ${operator} [${[...values].sort().join(', ')}]`,
  );
  return [...labels, ...expressions];
}

/** Our own kinds, with the annotation that shows what the user typed before the API server pruned it. */
export function keepCustom(raw: RawObject): CustomObject {
  const status = raw.status as { conditions?: Condition[] } | undefined;
  return {
    apiVersion: raw.apiVersion ?? '',
    kind: raw.kind ?? '',
    metadata: keepMeta(raw.metadata, (name) => isOurs(name) || name === LAST_APPLIED),
    spec: raw.spec ?? {},
    conditions: status?.conditions ?? [],
  };
}

/** Routes of Gateway API, which other controllers write into, too. */
export function keepRoute(raw: RawObject): RouteObject {
  const status = raw.status as { parents?: unknown[] } | undefined;
  return {
    apiVersion: raw.apiVersion ?? '',
    kind: raw.kind ?? '',
    metadata: keepMeta(raw.metadata),
    spec: raw.spec ?? {},
    parents: status?.parents ?? [],
  };
}

/** Gateway API's backends and policies on them, which other controllers write into, too. */
export function keepBackendPolicy(raw: RawObject): BackendPolicyObject {
  const status = raw.status as { ancestors?: unknown[] } | undefined;
  return {
    apiVersion: raw.apiVersion ?? '',
    kind: raw.kind ?? '',
    metadata: keepMeta(raw.metadata),
    spec: raw.spec ?? {},
    ancestors: status?.ancestors ?? [],
  };
}

export function keepReferenceGrant(raw: RawObject): ReferenceGrant {
  interface Ref {
    readonly group?: string;
    readonly kind?: string;
    readonly namespace?: string;
    readonly name?: string;
  }
  const spec = (raw.spec ?? {}) as { readonly from?: readonly Ref[]; readonly to?: readonly Ref[] };
  return {
    metadata: keepMeta(raw.metadata),
    from: (spec.from ?? []).map(({ group, kind, namespace }) => ({
      group: or(group, ''),
      kind: or(kind, ''),
      namespace: or(namespace, ''),
    })),
    to: (spec.to ?? []).map(({ group, kind, name }) => ({
      group: or(group, ''),
      kind: or(kind, ''),
      name: or(name, ''),
    })),
  };
}

/** Gateway API's XMesh. */
export function keepMesh(raw: RawObject): MeshObject {
  const spec = raw.spec as { controllerName?: string; parametersRef?: object } | undefined;
  const status = raw.status as
    { conditions?: Condition[]; supportedFeatures?: { name?: string }[] } | undefined;
  return {
    metadata: keepMeta(raw.metadata),
    controllerName: or(spec?.controllerName, ''),
    hasParameters: spec?.parametersRef !== undefined,
    conditions: status?.conditions ?? [],
    features: (status?.supportedFeatures ?? []).map(({ name }) => or(name, '')),
  };
}
