import type { MeshRole } from '../words/access.js';
import { dirtyAccess, type DirtyKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import { Table, eachOf } from './table.js';

/** Is told of a namespace in which something changed that says who may call its pods. */
type Changed = (namespace: string) => void;

interface InNamespace {
  readonly ref: PolicyRef;
}

/** Roles by the uids of their objects. */
export function roleTable(changed: Changed): Table<MeshRole, 'name' | 'namespace'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: {
      name: ({ ref }) => [`${ref.namespace}/${ref.name}`],
      namespace: ({ ref }) => [ref.namespace],
    },
    dirty: eachOf(podsOfNamespace(changed)),
  });
}

/** Bindings, or issuers of tokens, by the uids of their objects. */
export function accessTable<T extends InNamespace>(changed: Changed): Table<T, 'namespace'> {
  return new Table({
    key: ({ ref }) => ref.uid,
    indexes: { namespace: ({ ref }) => [ref.namespace] },
    dirty: eachOf(podsOfNamespace(changed)),
  });
}

/** On what says who may call depend the pods of its namespace. */
function podsOfNamespace(changed: Changed): (value: InNamespace) => Iterable<DirtyKey> {
  return ({ ref }) => {
    changed(ref.namespace);
    return [dirtyAccess(ref.namespace)];
  };
}
