import { dirtySaid } from '../words/keys.js';
import type { Workload } from '../words/workload.js';
import { type XBackend, xBackendKey } from '../words/x-backend.js';
import { Table, eachOf } from './table.js';

/** XBackends by the uids of their objects. On one depends what is sent to its pods. */
export function xBackendTable(): Table<XBackend, 'key' | 'namespace'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: { key: ({ ref }) => [xBackendKey(ref)], namespace: ({ ref }) => [ref.namespace] },
    dirty: eachOf(({ ref }) => dirtySaid([xBackendKey(ref)])),
  });
}

/** Whether an XBackend of the pod's namespace means the pod. */
export function selects({ labels, problems }: XBackend, workload: Workload): boolean {
  return (
    problems.length === 0 && Object.entries(labels).every(([name, value]) => workload.labels[name] === value)
  );
}
