import type { Grant } from '../words/grant.js';
import { dirtySaid } from '../words/keys.js';
import type { Mesh } from './mesh.js';
import { Table, eachOf } from './table.js';

/** ReferenceGrants by `<namespace>/<name>`: what one permits is what it says now. On one depend the Services beside it. */
export function grantTable(mesh: Mesh): Table<Grant, 'namespace'> {
  return new Table({
    key: ({ namespace, name }) => `${namespace}/${name}`,
    indexes: { namespace: ({ namespace }) => [namespace] },
    dirty: eachOf(({ namespace }) => dirtySaid(mesh.servicesIn(namespace))),
  });
}
