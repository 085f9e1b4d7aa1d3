import type { Filter } from '../../../api/index.js';
import type { Referrer } from '../../words/grant.js';
import type { MirrorEntry } from '../../words/policy.js';
import { invalidRef } from './backend-kind.js';
import type { Notes } from './notes.js';

/** Where a filter stands, and in whose object: its namespace is what references mean by default. */
export interface MirrorPlace {
  readonly field: string;
  readonly from: Referrer;
}

/** A copy of every request, or of a part (GEP-3171). A backend of another kind gets none, and the status says so. */
export function readMirror(
  { requestMirror }: Filter,
  { field, from }: MirrorPlace,
  notes: Notes,
): readonly MirrorEntry[] {
  if (requestMirror === undefined) return [];
  const { backendRef, percent, fraction } = requestMirror;
  const at = `${field}.requestMirror.backendRef`;
  const invalid = invalidRef(backendRef);
  if (invalid !== undefined) {
    notes.add({ condition: 'ResolvedRefs', reason: 'InvalidKind', field: at, message: invalid });
    return [];
  }
  const { name, port } = backendRef;
  return [
    {
      service: {
        namespace: backendRef.namespace ?? from.namespace,
        name,
        ...(port === undefined ? {} : { port }),
        from,
      },
      fallback: false,
      portion: fraction ?? { numerator: percent ?? 100, denominator: 100 },
      field: at,
    },
  ];
}
