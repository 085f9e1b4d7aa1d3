import { compileWorkload, type Mesh } from '../../model/index.js';
import type { Finding, Known } from '../findings/index.js';
import { findAll } from '../findings/index.js';
import { accessChanges, type AccessChange } from './access-changes.js';
import { destinationChanges, type DestinationChange } from './destination-changes.js';
import { changesBetween, type Change } from './leaves.js';
import type { Overlaid } from './overlay.js';
import type { Remembered } from './remembered.js';
import { touchedBy, type Touched } from './touched.js';
import { workloadView } from './workload-view.js';

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
  /** What of the traffic of the last half hour that is about; absent where nothing is remembered, which a note says. */
  readonly touched?: Touched;
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
  { concerned, remembered }: { readonly concerned: ReadonlySet<string>; readonly remembered: Remembered },
): Difference {
  const workloads = workloadChanges(before.mesh, after.mesh);
  const namespaces = new Set(workloads.flatMap(({ pods }) => pods.map((pod) => pod.split('/')[0] ?? '')));
  for (const namespace of concerned) namespaces.add(namespace);
  const [was, becomes] = [findAll(before), findAll(after)];
  const { edges } = remembered;
  const { changes: access, unasked } = accessChanges(before.mesh, after.mesh, { namespaces, edges });
  const destinations = destinationChanges(before.mesh, after.mesh, concerned);
  return {
    applied,
    destinations,
    workloads,
    access,
    ...(remembered.minutes === 0
      ? {}
      : { touched: touchedBy(before, after, { destinations, workloads, access, remembered }) }),
    found: without(becomes, was),
    mended: without(was, becomes),
    notes: [...notes, ...unasked, ...remembered.notes],
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
