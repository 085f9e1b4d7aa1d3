import { MeshError, compareQuantities, isQuantity, names } from '../../base/index.js';
import type { Pod } from './pod.js';
import type { ProxyResources } from './settings.js';

/** What a pod's annotations ask for. */
export interface PodChoices {
  readonly skipInboundPorts: readonly number[];
  readonly skipOutboundPorts: readonly number[];
  /** Ports that take bytes only. The control plane reads them from the pod's spec, which nobody can change later. */
  readonly opaquePorts: readonly number[];
  /** Whether the proxy writes each request to its stdout, or none; absent: policies say which. */
  readonly accessLog?: boolean;
  /** Threads that carry traffic, each of which fills a processor at most. 1 where none is given. */
  readonly workers: number;
  /** The settings' resources where no annotation says otherwise. */
  readonly resources: ProxyResources;
}

const { Annotation } = names;

/**
 * Reads the annotations; throws `invalid`, naming annotation and remedy, where one cannot be meant. Ports that are
 * opaque, ingress mode and weight are only looked over here: the controller passes them to the proxies.
 */
export function readAnnotations(
  pod: Pod,
  namespaceAnnotations: Annotations,
  settings: ProxyResources,
): PodChoices {
  const annotations = pod.metadata.annotations ?? {};
  const defaults = withinPod(pod, namespaceResources(namespaceAnnotations, settings).resources);
  isEnabled(annotations, Annotation.ingressMode);
  weightOf(annotations);
  return {
    skipInboundPorts: portsOf(annotations, Annotation.skipInboundPorts),
    skipOutboundPorts: portsOf(annotations, Annotation.skipOutboundPorts),
    opaquePorts: portsOf(annotations, Annotation.opaquePorts),
    ...(Annotation.accessLog in annotations
      ? { accessLog: isEnabled(annotations, Annotation.accessLog) }
      : {}),
    workers: workersOf(annotations),
    resources: resourcesOf(annotations, defaults),
  };
}

/**
 * Resources of the proxies of a namespace whose pods say nothing: its annotations have the names that a pod's have. Those
 * that cannot be meant count for nothing and are named, because refusing would stop every pod of the namespace.
 */
export function namespaceResources(
  annotations: Annotations,
  settings: ProxyResources,
): { readonly resources: ProxyResources; readonly problems: readonly string[] } {
  try {
    return { resources: resourcesOf(annotations, settings), problems: [] };
  } catch (thrown) {
    return { resources: settings, problems: [`the namespace's ${MeshError.from(thrown).message}`] };
  }
}

/**
 * What a pod says of itself as a whole counts for its proxy too: without amounts of its own, which the API server would
 * refuse where all containers together ask for more than the pod.
 */
function withinPod(pod: Pod, usual: ProxyResources): ProxyResources {
  const said = { ...pod.spec.resources?.requests, ...pod.spec.resources?.limits };
  const isOpen = ([field]: [string, string]): boolean =>
    !((field.startsWith('cpu') ? 'cpu' : 'memory') in said);
  return Object.fromEntries(Object.entries<string>({ ...usual }).filter(isOpen));
}

type Annotations = Readonly<Record<string, string>>;

function portsOf(annotations: Annotations, name: string): readonly number[] {
  const text = annotations[name]?.trim() ?? '';
  if (text === '') return [];
  const ports = text.split(',').map((item) => portOf(item.trim(), name));
  return [...new Set(ports)].sort((a, b) => a - b);
}

function portOf(text: string, annotation: string): number {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw invalid(
    annotation,
    text,
    'is not a valid port; give numbers from 1 to 65535 with commas between, as in "25,3306"',
  );
}

function isEnabled(annotations: Annotations, name: string): boolean {
  const value = annotations[name];
  if (value === undefined || value === 'disabled') return false;
  if (value === 'enabled') return true;
  throw invalid(name, value, 'is neither "enabled" nor "disabled"');
}

function weightOf(annotations: Annotations): number {
  const remedy = 'is not a valid weight; give a number from 1 to 1000 (default 100)';
  return numberOf(annotations, { name: Annotation.weight, usual: 100, most: 1000, remedy });
}

function workersOf(annotations: Annotations): number {
  const remedy = 'is not a valid number of threads; give one from 1 to 64 (default 1)';
  return numberOf(annotations, { name: Annotation.workers, usual: 1, most: 64, remedy });
}

interface Count {
  readonly name: string;
  /** Where the annotation is absent. */
  readonly usual: number;
  readonly most: number;
  readonly remedy: string;
}

/** A whole number from 1 to `most`. */
function numberOf(annotations: Annotations, { name, usual, most, remedy }: Count): number {
  const value = annotations[name];
  if (value === undefined) return usual;
  const text = value.trim();
  const digits = /^[0-9]+$/.test(text) && text.length <= String(most).length;
  if (digits && Number(text) >= 1 && Number(text) <= most) return Number(text);
  throw invalid(name, value, remedy);
}

function resourcesOf(annotations: Annotations, defaults: ProxyResources): ProxyResources {
  const { cpuRequest, cpuLimit, memoryRequest, memoryLimit } = Annotation;
  return {
    ...pairOf(annotations, {
      request: { field: 'cpuRequest', annotation: cpuRequest, fallback: defaults.cpuRequest },
      limit: { field: 'cpuLimit', annotation: cpuLimit, fallback: defaults.cpuLimit },
    }),
    ...pairOf(annotations, {
      request: { field: 'memoryRequest', annotation: memoryRequest, fallback: defaults.memoryRequest },
      limit: { field: 'memoryLimit', annotation: memoryLimit, fallback: defaults.memoryLimit },
    }),
  };
}

interface Amount {
  readonly field: keyof ProxyResources;
  readonly annotation: string;
  readonly fallback: string | undefined;
}

/** A request above its limit would be refused by the API server in words that name no annotation. */
function pairOf(
  annotations: Annotations,
  { request, limit }: { request: Amount; limit: Amount },
): ProxyResources {
  const asked = amountOf(annotations, request);
  const most = amountOf(annotations, limit);
  if (asked !== undefined && most !== undefined && compareQuantities(asked, most) > 0) {
    const given = annotations[limit.annotation] === undefined ? request : limit;
    const other = given === limit ? request : limit;
    const problem = `makes a request of ${asked} above the limit of ${most}; set ${other.annotation} to fit`;
    throw invalid(given.annotation, annotations[given.annotation] ?? '', problem);
  }
  return {
    ...(asked === undefined ? {} : { [request.field]: asked }),
    ...(most === undefined ? {} : { [limit.field]: most }),
  };
}

function amountOf(annotations: Annotations, { annotation, fallback }: Amount): string | undefined {
  const text = annotations[annotation]?.trim();
  if (text === undefined) return fallback;
  if (isQuantity(text)) return text;
  throw invalid(
    annotation,
    text,
    'is not a valid Kubernetes quantity; write it as in "100m" for CPU and "32Mi" for memory',
  );
}

function invalid(annotation: string, value: string, problem: string): MeshError {
  return new MeshError('invalid', `annotation ${annotation}: ${JSON.stringify(value)} ${problem}`);
}
