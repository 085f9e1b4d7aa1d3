import type { AccessDefault } from '../words/access.js';
import { dirtyAccess, dirtyEgress } from '../words/keys.js';
import type { OutboundPolicy } from '../words/settings.js';
import { Table } from './table.js';

/** What a namespace says about itself. */
export interface Namespace {
  readonly name: string;
  /** What holds for requests to its pods that no rule decides; what holds for the mesh counts, too, and the stricter of the two wins. */
  readonly access?: AccessDefault;
  /** What becomes of what its pods send outside the mesh, in place of what holds for the mesh. */
  readonly outbound?: OutboundPolicy;
}

/** Namespaces by their names. */
export function namespaceTable(): Table<Namespace> {
  return new Table({
    key: ({ name }) => name,
    indexes: {},
    dirty: (before, after) => {
      const name = (before ?? after)?.name ?? '';
      return [
        ...(before?.access === after?.access ? [] : [dirtyAccess(name)]),
        ...(before?.outbound === after?.outbound ? [] : [dirtyEgress(name)]),
      ];
    },
  });
}
