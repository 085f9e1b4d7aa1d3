import type {
  V1ConfigMap,
  V1Container,
  V1EndpointSlice,
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
  Condition,
  ConfigMap,
  CustomObject,
  EndpointSlice,
  KubeObject,
  Namespace,
  Node,
  ObjectMeta,
  Pod,
  Secret,
  Service,
  WebhookConfiguration,
} from './objects.js';

/** What an answer of the API server looks like before we take from it what we keep. */
export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: V1ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
}

const ZONE_LABEL = 'topology.kubernetes.io/zone';
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function keepMeta(meta: V1ObjectMeta = {}, keepAnnotation: (name: string) => boolean = isOurs): ObjectMeta {
  const owner =
    meta.ownerReferences?.find((reference) => reference.controller === true) ?? meta.ownerReferences?.[0];
  return {
    name: meta.name ?? '',
    namespace: meta.namespace ?? '',
    uid: meta.uid ?? '',
    resourceVersion: meta.resourceVersion ?? '',
    generation: meta.generation ?? 0,
    creationTimestamp: meta.creationTimestamp === undefined ? '' : String(meta.creationTimestamp),
    deleting: meta.deletionTimestamp !== undefined,
    labels: meta.labels ?? {},
    annotations: pick(meta.annotations, keepAnnotation),
    ...(owner === undefined
      ? {}
      : { owner: { apiVersion: owner.apiVersion, kind: owner.kind, name: owner.name, uid: owner.uid } }),
  };
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
  const { metadata, status } = raw as V1Namespace;
  return { metadata: keepMeta(metadata), phase: status?.phase ?? 'Active' };
}

/** Of a node only zone and kubelet: nodes change every few minutes, and nothing else of them matters here. */
export function keepNode(raw: RawObject): Node {
  const kept = keepMeta(raw.metadata);
  const zone = kept.labels[ZONE_LABEL] ?? '';
  const { status } = raw as V1Node;
  return { metadata: { ...kept, labels: {} }, zone, kubeletVersion: status?.nodeInfo?.kubeletVersion ?? '' };
}

export function keepPod(raw: RawObject): Pod {
  const { metadata, spec, status } = raw as V1Pod;
  const containers = spec?.containers ?? [];
  const ready = status?.conditions?.find((condition) => condition.type === 'Ready');
  return {
    metadata: keepMeta(metadata),
    nodeName: spec?.nodeName ?? '',
    serviceAccount: spec?.serviceAccountName ?? 'default',
    hostNetwork: spec?.hostNetwork ?? false,
    containers: containers.map((container) => container.name),
    initContainers: (spec?.initContainers ?? []).map((container) => container.name),
    ports: containers.flatMap(keepPorts),
    phase: status?.phase ?? 'Pending',
    ips: keepIps(status),
    ready: ready?.status === 'True',
  };
}

function keepPorts(container: V1Container): Pod['ports'] {
  return (container.ports ?? []).map((port) => ({
    name: port.name ?? '',
    port: port.containerPort,
    protocol: port.protocol ?? 'TCP',
  }));
}

function keepIps(status: V1Pod['status']): readonly string[] {
  if (status?.podIPs !== undefined && status.podIPs.length > 0) return status.podIPs.map(({ ip }) => ip);
  return status?.podIP === undefined ? [] : [status.podIP];
}

export function keepService(raw: RawObject): Service {
  const { metadata, spec } = raw as V1Service;
  const clusterIPs = spec?.clusterIPs ?? (spec?.clusterIP === undefined ? [] : [spec.clusterIP]);
  return {
    metadata: keepMeta(metadata),
    type: spec?.type ?? 'ClusterIP',
    clusterIPs: clusterIPs.filter((ip) => ip !== '' && ip !== 'None'),
    selector: spec?.selector ?? {},
    ports: (spec?.ports ?? []).map((port) => ({
      name: port.name ?? '',
      protocol: port.protocol ?? 'TCP',
      port: port.port,
      targetPort: port.targetPort ?? port.port,
      appProtocol: port.appProtocol ?? '',
    })),
    publishNotReady: spec?.publishNotReadyAddresses ?? false,
  };
}

export function keepEndpointSlice(raw: RawObject): EndpointSlice {
  const { metadata, addressType, ports, endpoints } = raw as V1EndpointSlice;
  const kept = keepMeta(metadata);
  return {
    metadata: kept,
    service: kept.labels[SERVICE_NAME_LABEL] ?? '',
    addressType,
    ports: (ports ?? [])
      .filter((port) => port.port !== undefined)
      .map((port) => ({ name: port.name ?? '', port: port.port ?? 0, protocol: port.protocol ?? 'TCP' })),
    endpoints: (endpoints ?? []).map((endpoint) => ({
      addresses: endpoint.addresses,
      // Absent means unknown, which the API says to read as ready.
      ready: endpoint.conditions?.ready ?? true,
      serving: endpoint.conditions?.serving ?? endpoint.conditions?.ready ?? true,
      terminating: endpoint.conditions?.terminating ?? false,
      zone: endpoint.zone ?? '',
      podUid: endpoint.targetRef?.kind === 'Pod' ? (endpoint.targetRef.uid ?? '') : '',
    })),
  };
}

export function keepConfigMap(raw: RawObject): ConfigMap {
  const { metadata, data } = raw as V1ConfigMap;
  return { metadata: keepMeta(metadata), data: data ?? {} };
}

export function keepSecret(raw: RawObject): Secret {
  const { metadata, data } = raw as V1Secret;
  const decoded = Object.entries(data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString('utf8'),
  ]);
  return { metadata: keepMeta(metadata), data: Object.fromEntries(decoded) as Record<string, string> };
}

export function keepWebhookConfiguration(raw: RawObject): WebhookConfiguration {
  const { metadata, webhooks } = raw as V1MutatingWebhookConfiguration;
  return {
    metadata: keepMeta(metadata),
    webhooks: (webhooks ?? []).map(({ name, clientConfig }) => ({
      name,
      caBundle: clientConfig.caBundle ?? '',
    })),
  };
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
