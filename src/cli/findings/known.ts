import type { Position } from '../../api/index.js';
import { names } from '../../base/index.js';
import { groupOf, type RawObject } from '../../kube/index.js';
import type { Mesh, Problem } from '../../model/index.js';

/** An object of the cluster or of a file. */
export interface KnownObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for kinds that live in no namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  /** `TrafficPolicy shop/reviews`. */
  readonly title: string;
  readonly raw: RawObject;
  /** Absent: it is in the cluster. */
  readonly source?: Source;
}

/** Where an object is written. */
export interface Source {
  readonly file: string;
  readonly positionOf: (path: string) => Position;
}

/** A pod of the cluster, or what a workload in a file would make. */
export interface KnownPod {
  /** The pod, or the workload with its template. */
  readonly object: KnownObject;
  /** Where the pod is described in the object; empty for a pod itself. */
  readonly path: string;
  /** As `Mesh` knows it. */
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: unknown;
  /** Whether a proxy is in it, or would be. */
  readonly meshed: boolean;
  /** What the webhook decided, as its annotation tells it. */
  readonly decision: string;
  /** Why the webhook would refuse it. */
  readonly refusal?: string;
  /** What the webhook would warn about beside. */
  readonly warnings: readonly string[];
}

/** All that rows look at. */
export interface Known {
  readonly objects: readonly KnownObject[];
  readonly pods: readonly KnownPod[];
  readonly mesh: Mesh;
  /** What reading an object by itself found, by its uid. */
  readonly problemsOf: (uid: string) => readonly Problem[];
  /** What is not among the objects does not exist. */
  readonly complete: boolean;
  /** Pods and endpoints are those that run. */
  readonly live: boolean;
  /** Of the control planes that are there; absent: nobody knows. */
  readonly revisions?: readonly string[];
  /** Whether the CNI plugin captures pods, which need no capability then. */
  readonly isCapturedByNode?: boolean;
}

/** The objects of a kind of a group, the empty one being Kubernetes' own. */
export function ofKind(
  { objects }: Pick<Known, 'objects'>,
  kind: string,
  group?: string,
): readonly KnownObject[] {
  const all = byKind(objects).get(kind) ?? [];
  return group === undefined ? all : all.filter(({ apiVersion }) => groupOf(apiVersion) === group);
}

/** What is made of a list that rows look at, made once for each: they ask again for every object. */
export function once<T extends object, R>(make: (list: T) => R): (list: T) => R {
  const made = new WeakMap<T, { readonly value: R }>();
  return (list) => {
    const known = made.get(list) ?? { value: make(list) };
    made.set(list, known);
    return known.value;
  };
}

const byKind = once((objects: readonly KnownObject[]) => Map.groupBy(objects, ({ kind }) => kind));

/** Labels and annotations of an object. */
export function labelsOf({ raw }: KnownObject): Readonly<Record<string, string>> {
  return raw.metadata?.labels ?? {};
}

/** Whether labels are those that the chart gives the control plane itself, which is none of what is judged. */
export function isControlPlane(labels: Readonly<Record<string, string>>): boolean {
  return labels['app.kubernetes.io/name'] === 'weft' && labels[names.Label.rev] !== undefined;
}

export function namespaceNamed({ objects }: Pick<Known, 'objects'>, name: string): KnownObject | undefined {
  return namespacesByName(objects).get(name);
}

/** Where files have two of a name, the first. */
const namespacesByName = once(
  (objects: readonly KnownObject[]) =>
    new Map(
      ofKind({ objects }, 'Namespace', '')
        .toReversed()
        .map((object) => [object.name, object]),
    ),
);

/** Whether the objects say that a namespace takes part in the mesh; undefined: it is not among them. */
export function isJoined(known: Pick<Known, 'objects'>, namespace: string): boolean | undefined {
  const object = namespaceNamed(known, namespace);
  return object === undefined ? undefined : labelsOf(object)[names.Label.inject] === 'enabled';
}

type Labels = Readonly<Record<string, string>>;

/** The pods of a namespace that have these labels, as a selector asks for them. */
export function podsBehind(
  { pods }: Pick<Known, 'pods'>,
  namespace: string,
  selector: Labels,
): readonly KnownPod[] {
  return (podsByNamespace(pods).get(namespace) ?? []).filter(({ labels }) => hasLabels(labels, selector));
}

const podsByNamespace = once((pods: readonly KnownPod[]) =>
  Map.groupBy(pods, ({ object }) => object.namespace),
);

export function hasLabels(labels: Labels, wanted: Labels): boolean {
  return Object.entries(wanted).every(([name, value]) => labels[name] === value);
}
