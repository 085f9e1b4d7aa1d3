import { canonicalIps } from '../words/ip.js';
import { dirtyAddress, dirtySaid, dirtyWorkload, serviceKey } from '../words/keys.js';
import type { Mesh } from './mesh.js';
import type { Service } from '../words/service.js';
import { listedPods } from './endpoint-sets.js';
import { Table, eachOf } from './table.js';

/**
 * Services by `serviceKey`. On one depend what is compiled of it, its addresses, and the pods that it lists, because it
 * declares the protocols of their ports.
 */
export function serviceTable(mesh: Mesh): Table<Service, 'namespace' | 'ip'> {
  const keyOf = ({ namespace, name }: Service): string => serviceKey(namespace, name);
  return new Table({
    key: keyOf,
    indexes: {
      namespace: ({ namespace }) => [namespace],
      ip: ({ clusterIPs }) => canonicalIps(clusterIPs),
    },
    dirty: eachOf((service) => {
      const key = keyOf(service);
      const pods = mesh.endpointSetsOf(key).flatMap((set) => [...listedPods(set)]);
      return [
        ...dirtySaid([key]),
        ...canonicalIps(service.clusterIPs).map(dirtyAddress),
        ...pods.map(dirtyWorkload),
      ];
    }),
  });
}
