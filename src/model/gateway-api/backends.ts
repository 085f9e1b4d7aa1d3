import type { BackendRef } from '../../api/index.js';
import type { SplitEntry } from '../policy.js';
import { HEADER_FILTERS, readFilters } from './filters.js';
import { invalidRef } from './backend-kind.js';
import type { Notes } from './notes.js';

/** Where the requests of a rule go. Without a backend, or with none that has a weight, they are answered 500. */
export function readBackends(
  refs: readonly BackendRef[],
  { namespace, field }: { readonly namespace: string; readonly field: string },
  notes: Notes,
): readonly SplitEntry[] {
  const entries = refs.map((ref, place) =>
    readBackend(ref, { namespace, field: `${field}[${place}]` }, notes),
  );
  if (entries.some(({ weight }) => weight > 0)) return entries;
  return [nowhere('no backend has a weight above 0', field)];
}

/** A share that is answered 500, and why. */
export function nowhere(invalid: string, field: string): SplitEntry {
  return { weight: 1, fallback: false, invalid, field };
}

/** Mesh routes may name Services of any namespace, without a ReferenceGrant (GEP-1426). */
function readBackend(
  ref: BackendRef,
  { namespace, field }: { readonly namespace: string; readonly field: string },
  notes: Notes,
): SplitEntry {
  const { weight, name, port } = ref;
  const place = { field: `${field}.filters`, namespace, types: HEADER_FILTERS };
  const { actions } = readFilters(ref.filters, place, notes);
  const headers = actions?.headers;
  const common = { weight, fallback: false, ...(headers === undefined ? {} : { headers }), field };
  const invalid = invalidRef(ref);
  if (invalid !== undefined) {
    notes.add({ condition: 'ResolvedRefs', reason: 'InvalidKind', field, message: invalid });
    return { ...common, invalid };
  }
  return {
    ...common,
    service: { namespace: ref.namespace ?? namespace, name, ...(port === undefined ? {} : { port }) },
  };
}
