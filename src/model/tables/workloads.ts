import { isDeepStrictEqual } from 'node:util';
import { canonicalIps } from '../words/ip.js';
import { dirtyAddress, dirtyService, dirtyWorkload } from '../words/keys.js';
import type { Mesh } from './mesh.js';
import type { Workload } from '../words/workload.js';
import { xBackendKey } from '../words/x-backend.js';
import { Table, eachOf } from './table.js';

/** Pods by the uids of their objects. On one depend its addresses, and the Services and XBackends that have it as an endpoint. */
export function workloadTable(mesh: Mesh): Table<Workload, 'ip' | 'namespace'> {
  return new Table({
    key: ({ uid }) => uid,
    isSame: (a, b) =>
      isDeepStrictEqual(compiled(a), compiled(b)) &&
      (a.ready === b.ready || mesh.xBackendsSelecting(b).length === 0),
    // An address may belong to a newer pod already when the news of the older one's end arrives: the newer one counts.
    indexes: { ip: ownIps, namespace: ({ key }) => [key.namespace] },
    dirty: eachOf((workload) => {
      const ips = canonicalIps(workload.ips);
      const listed = [
        ...mesh.endpointSetsWith(workload.uid),
        ...ips.flatMap((ip) => mesh.endpointSetsAt(ip)),
      ];
      return [
        dirtyWorkload(workload.uid),
        ...ownIps(workload).map(dirtyAddress),
        ...listed.map(({ service }) => dirtyService(service)),
        ...mesh.xBackendsSelecting(workload).map(({ ref }) => dirtyService(xBackendKey(ref))),
      ];
    }),
  });
}

/** Everything but what no proxy is told: readiness comes with endpoints, but for those that an XBackend selects. */
function compiled({ ready: _ready, ...rest }: Workload): object {
  return rest;
}

/** Addresses that lead to the pod; those of a pod on its node's network lead to the node. */
function ownIps({ hostNetwork, ips }: Workload): readonly string[] {
  return hostNetwork ? [] : canonicalIps(ips);
}
