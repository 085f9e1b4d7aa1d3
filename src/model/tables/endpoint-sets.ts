import { isDeepStrictEqual } from 'node:util';
import { canonicalIps } from '../words/ip.js';
import { type DirtyKey, dirtyService, dirtyWorkload } from '../words/keys.js';
import type { EndpointSet } from '../words/service.js';
import { Table } from './table.js';

/** EndpointSlices by `<namespace>/<name>`; found by the address are those that list it without naming a pod. */
export function endpointSetTable(): Table<EndpointSet, 'service' | 'pod' | 'bareIp'> {
  return new Table({
    key: ({ namespace, name }) => `${namespace}/${name}`,
    indexes: { service: ({ service }) => [service], pod: listedPods, bareIp: bareIps },
    dirty: dirtyBetween,
  });
}

/** Uids of the pods that a set lists. */
export function listedPods(set: EndpointSet | undefined): ReadonlySet<string> {
  return new Set(set?.addresses.flatMap(({ pod }) => pod ?? []));
}

/** Addresses that name no pod; a pod may have them all the same. */
function bareIps({ addresses }: EndpointSet): ReadonlySet<string> {
  const bare = addresses.filter(({ pod }) => pod === undefined);
  return new Set(canonicalIps(bare.map(({ address }) => address)));
}

/** The Services, and the pods that are listed differently: a pod is told which Services list it, not how ready it is. */
function dirtyBetween(before: EndpointSet | undefined, after: EndpointSet | undefined): readonly DirtyKey[] {
  const sets = [before, after].flatMap((set) => set ?? []);
  const samePorts = before?.service === after?.service && isDeepStrictEqual(before?.ports, after?.ports);
  const [left, right] = [listedPods(before), listedPods(after)];
  const pods = [...left, ...right].filter((pod) => !samePorts || !left.has(pod) || !right.has(pod));
  return [...sets.map(({ service }) => dirtyService(service)), ...pods.map(dirtyWorkload)];
}
