import type { AccessDefault } from '../words/access.js';
import { dirtyAccess } from '../words/keys.js';
import { Table, eachOf } from './table.js';

/** What a namespace says about itself. */
export interface Namespace {
  readonly name: string;
  /** What holds for requests to its pods that no rule decides; what holds for the mesh counts, too, and the stricter of the two wins. */
  readonly access?: AccessDefault;
}

/** Namespaces by their names. */
export function namespaceTable(): Table<Namespace> {
  return new Table({
    key: ({ name }) => name,
    indexes: {},
    dirty: eachOf(({ name }) => [dirtyAccess(name)]),
  });
}
