import type { Operation } from '../review.js';
import type { Container, Pod } from './pod.js';
import type { ProbeRewrite } from './probes.js';
import { PROBES_VARIABLE, type RenderedContainer } from './render.js';

type Segments = readonly (string | number)[];

/** A JSON Pointer (RFC 6901): `~` and `/` inside of a segment are escaped. */
export function pointer(segments: Segments): string {
  return segments
    .map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
}

/** Sets labels or annotations; those that have their value already need no operation. */
export function setEntries(
  pod: Pod,
  field: 'labels' | 'annotations',
  entries: Readonly<Record<string, string>>,
): readonly Operation[] {
  const present = pod.metadata[field];
  const path = ['metadata', field];
  if (present === undefined) return [{ op: 'add', path: pointer(path), value: entries }];
  return Object.entries(entries)
    .filter(([key, value]) => present[key] !== value)
    .map(([key, value]) => ({ op: 'add', path: pointer([...path, key]), value }));
}

/** Takes away what somebody else has written. */
export function removeAnnotation(pod: Pod, name: string): readonly Operation[] {
  if (pod.metadata.annotations?.[name] === undefined) return [];
  return [{ op: 'remove', path: pointer(['metadata', 'annotations', name]) }];
}

/** Points the probes at the proxy. Goes before anything that moves containers. */
export function replaceProbes(rewrites: readonly ProbeRewrite[]): readonly Operation[] {
  return rewrites.map(({ path, replacement }) => ({
    op: 'replace',
    path: pointer(path),
    value: replacement,
  }));
}

/** The native form: init first and proxy second, so that every other init container has the mesh. */
export function addNative(pod: Pod, init: RenderedContainer, proxy: RenderedContainer): readonly Operation[] {
  return insert(pod.spec.initContainers, ['spec', 'initContainers'], 0, [init, proxy]);
}

/**
 * The form before native sidecars: init goes last, because without a running proxy captured traffic goes nowhere, and
 * the proxy first, because containers start in this order.
 */
export function addOrdinary(
  pod: Pod,
  init: RenderedContainer,
  proxy: RenderedContainer,
): readonly Operation[] {
  const { initContainers, containers } = pod.spec;
  return [
    ...insert(initContainers, ['spec', 'initContainers'], initContainers?.length ?? 0, [init]),
    ...insert(containers, ['spec', 'containers'], 0, [proxy]),
  ];
}

export function addVolumes(pod: Pod, volumes: readonly { readonly name: string }[]): readonly Operation[] {
  return insert(pod.spec.volumes, ['spec', 'volumes'], pod.spec.volumes?.length ?? 0, volumes);
}

/** Tells a proxy that is in the pod already about more probes. */
export function replaceProbeTargets(
  container: Container,
  path: Segments,
  value: string,
): readonly Operation[] {
  const index = container.env?.findIndex(({ name }) => name === PROBES_VARIABLE) ?? -1;
  const variable = { name: PROBES_VARIABLE, value };
  if (index < 0) return insert(container.env, [...path, 'env'], container.env?.length ?? 0, [variable]);
  if (container.env?.[index]?.value === value) return [];
  return [{ op: 'replace', path: pointer([...path, 'env', index]), value: variable }];
}

function insert(
  list: readonly unknown[] | undefined,
  path: Segments,
  index: number,
  values: readonly unknown[],
): Operation[] {
  if (list === undefined) return [{ op: 'add', path: pointer(path), value: values }];
  return values.map((value, offset) => ({ op: 'add', path: pointer([...path, index + offset]), value }));
}
