import { compileDestination, compileWorkload, type Mesh } from '../../model/index.js';
import type { Finding, Known } from '../findings/index.js';
import { findAll } from '../findings/index.js';
import { accessChanges, type AccessChange } from './access-changes.js';
import { changesBetween, type Change } from './leaves.js';
import type { Overlaid } from './overlay.js';
import { destinationView, workloadView } from './views.js';

/** What callers of a port of a Service would do otherwise. */
export interface DestinationChange {
  /** `shop/reviews:8080`. */
  readonly service: string;
  /** `everywhere`, or the one namespace whose callers are concerned. */
  readonly callers: string;
  readonly change: 'created' | 'changed' | 'deleted';
  readonly changes: readonly Change[];
}

/** What the proxies of pods would do otherwise with calls to them. */
export interface WorkloadChange {
  readonly pods: readonly string[];
  readonly changes: readonly Change[];
}

/** What a change would do. */
export interface Difference {
  readonly applied: Overlaid['applied'];
  readonly destinations: readonly DestinationChange[];
  readonly workloads: readonly WorkloadChange[];
  readonly access: readonly AccessChange[];
  /** What `weft analyze` would find afterwards and does not find now. */
  readonly found: readonly Finding[];
  /** What it finds now and would not find afterwards. */
  readonly mended: readonly Finding[];
  readonly notes: readonly string[];
  /** Whether there may be changes of access that were not looked for; notes say which. */
  readonly unasked: boolean;
}

/** Compares two states of a cluster by what proxies are told, compiled as the control plane does it. */
export function compare(
  before: Known,
  after: Known,
  { applied, notes }: Overlaid,
  concerned: ReadonlySet<string>,
): Difference {
  const workloads = workloadChanges(before.mesh, after.mesh);
  const namespaces = new Set(workloads.flatMap(({ pods }) => pods.map((pod) => pod.split('/')[0] ?? '')));
  for (const namespace of concerned) namespaces.add(namespace);
  const [was, becomes] = [findAll(before), findAll(after)];
  const { changes: access, unasked } = accessChanges(before.mesh, after.mesh, namespaces);
  return {
    applied,
    destinations: destinationChanges(before.mesh, after.mesh, concerned),
    workloads,
    access,
    found: without(becomes, was),
    mended: without(was, becomes),
    notes: [...notes, ...unasked],
    unasked: unasked.length > 0,
  };
}

/** Whether anything would be otherwise. */
export function isEmpty({ destinations, workloads, access, found, mended }: Difference): boolean {
  return [destinations, workloads, access, found, mended].every((list) => list.length === 0);
}

function without(all: readonly Finding[], others: readonly Finding[]): readonly Finding[] {
  const textOf = ({ code, object, path, message }: Finding): string =>
    JSON.stringify([code, object, path, message]);
  const known = new Set(others.map(textOf));
  return all.filter((finding) => !known.has(textOf(finding)));
}

/** No namespace can have this name: callers of all those that nothing is said about by itself. */
const ELSEWHERE = '-';

function destinationChanges(
  before: Mesh,
  after: Mesh,
  namespaces: ReadonlySet<string>,
): readonly DestinationChange[] {
  const ports = new Set(
    [before, after].flatMap((mesh) =>
      [...mesh.services.values()].flatMap(({ namespace, name, ports: all }) =>
        all.filter(({ protocol }) => protocol === 'TCP').map(({ port }) => `${namespace}/${name}:${port}`),
      ),
    ),
  );
  return [...ports].sort().flatMap((service) => {
    const everywhere = changeAt(before, after, service, ELSEWHERE);
    // What holds for callers everywhere is not told again for those of a namespace.
    const own = [...namespaces]
      .sort()
      .map((namespace) => changeAt(before, after, service, namespace))
      .filter((change) => change !== undefined)
      .filter(({ changes }) => JSON.stringify(changes) !== JSON.stringify(everywhere?.changes));
    return [...(everywhere === undefined ? [] : [everywhere]), ...own];
  });
}

function changeAt(
  before: Mesh,
  after: Mesh,
  service: string,
  callers: string,
): DestinationChange | undefined {
  const colon = service.lastIndexOf(':');
  const ref = {
    kind: 'service',
    service: service.slice(0, colon),
    port: Number(service.slice(colon + 1)),
  } as const;
  const was = destinationView(compileDestination(before, ref, callers));
  const becomes = destinationView(compileDestination(after, ref, callers));
  const changes = changesBetween(was, becomes);
  if (changes.length === 0) return undefined;
  const change = was === undefined ? 'created' : becomes === undefined ? 'deleted' : 'changed';
  return { service, callers: callers === ELSEWHERE ? 'everywhere' : callers, change, changes };
}

/** Pods with the same changes are told together. */
function workloadChanges(before: Mesh, after: Mesh): readonly WorkloadChange[] {
  const groups = new Map<string, { pods: string[]; changes: readonly Change[] }>();
  for (const { uid, key, meshed } of after.workloads.values()) {
    if (!meshed) continue;
    const changes = changesBetween(
      workloadView(compileWorkload(before, uid)),
      workloadView(compileWorkload(after, uid)),
    );
    if (changes.length === 0) continue;
    const text = JSON.stringify(changes);
    const group = groups.get(text) ?? { pods: [], changes };
    group.pods.push(`${key.namespace}/${key.name}`);
    groups.set(text, group);
  }
  return [...groups.values()].map(({ pods, changes }) => ({ pods: pods.sort(), changes }));
}
