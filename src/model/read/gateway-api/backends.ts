import type { BackendRef } from '../../../api/index.js';
import { xBackendName } from '../../words/x-backend.js';
import type { Referrer } from '../../words/grant.js';
import type { SplitEntry } from '../../words/policy.js';
import { HEADER_FILTERS, readFilters } from './filters.js';
import { invalidRef } from './backend-kind.js';
import type { Notes } from './notes.js';

/** Where references stand, and in whose object. */
export interface RefPlace {
  readonly field: string;
  readonly from: Referrer;
}

/** Where the requests of a rule go. Without a backend, or with none that has a weight, they are answered 500. */
export function readBackends(
  refs: readonly BackendRef[],
  { field, from }: RefPlace,
  notes: Notes,
): readonly SplitEntry[] {
  const entries = refs.map((ref, place) => readBackend(ref, { from, field: `${field}[${place}]` }, notes));
  if (entries.some(({ weight }) => weight > 0)) return entries;
  return [nowhere('no backend has a weight above 0', field)];
}

/** A share that is answered 500, and why. */
export function nowhere(invalid: string, field: string): SplitEntry {
  return { weight: 1, fallback: false, invalid, field };
}

function readBackend(ref: BackendRef, { field, from }: RefPlace, notes: Notes): SplitEntry {
  const { weight, name, port } = ref;
  const place = { field: `${field}.filters`, from, types: HEADER_FILTERS };
  const { actions } = readFilters(ref.filters, place, notes);
  const headers = actions?.headers;
  const common = { weight, fallback: false, ...(headers === undefined ? {} : { headers }), field };
  if (isXBackend(ref)) return { ...common, ...readXBackendRef(ref, { field, from }, notes) };
  const invalid = invalidRef(ref);
  if (invalid !== undefined) {
    notes.add({ condition: 'ResolvedRefs', reason: 'InvalidKind', field, message: invalid });
    return { ...common, invalid };
  }
  return {
    ...common,
    service: {
      namespace: ref.namespace ?? from.namespace,
      name,
      ...(port === undefined ? {} : { port }),
      from,
    },
  };
}

function isXBackend({ group, kind }: BackendRef): boolean {
  return group === 'gateway.networking.x-k8s.io' && kind === 'XBackend';
}

/** An XBackend of the route's own namespace, which has a port of its own. */
function readXBackendRef(
  { namespace, name, port }: BackendRef,
  { field, from }: RefPlace,
  notes: Notes,
): Pick<SplitEntry, 'service' | 'invalid'> {
  if (namespace !== undefined && namespace !== from.namespace) {
    const invalid = `XBackend ${namespace}/${name} is in another namespace; name one in ${from.namespace}`;
    notes.add({ condition: 'ResolvedRefs', reason: 'RefNotPermitted', field, message: invalid });
    return { invalid };
  }
  if (port !== undefined) {
    const invalid = 'an XBackend has a port of its own; leave out the port here';
    notes.add({
      condition: 'ResolvedRefs',
      reason: 'UnsupportedValue',
      field: `${field}.port`,
      message: invalid,
    });
    return { invalid };
  }
  return { service: { namespace: from.namespace, name: xBackendName(name), from } };
}
