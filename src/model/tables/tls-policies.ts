import { dirtyMtls } from '../words/keys.js';
import type { TlsPolicy } from '../words/tls-policy.js';
import { Table, eachOf } from './table.js';

/** MeshTLSPolicies by the uids of their objects. On one depend the pods of its namespace and whoever calls them. */
export function tlsPolicyTable(): Table<TlsPolicy, 'namespace'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: { namespace: ({ ref }) => [ref.namespace] },
    dirty: eachOf(({ ref }) => [dirtyMtls(ref.namespace)]),
  });
}
