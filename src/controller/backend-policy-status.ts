import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { BackendPolicyObject } from '../kube/index.js';
import type { AncestorVerdict } from '../model/index.js';
import { type OwnEntry, stamper, withOwnEntries } from './own-entries.js';

/** An entry of `status.ancestors` that we write. */
interface AncestorStatus extends OwnEntry {
  readonly ancestorRef: Readonly<Record<'group' | 'kind' | 'namespace' | 'name', string>>;
}

/** As many as the API allows. */
const MAX_ANCESTORS = 16;

/**
 * What `status.ancestors` of an object should be: the entries of other controllers as they are, then one of ours for each
 * Service. Undefined when it is that already.
 */
export function ancestorEntries(
  object: BackendPolicyObject,
  verdicts: readonly AncestorVerdict[],
  now: number,
): readonly unknown[] | undefined {
  return withOwnEntries<AncestorStatus>(object.ancestors, MAX_ANCESTORS, (ours) =>
    verdicts.map(({ ancestor, accepted, resolvedRefs }) => {
      const [namespace = '', name = ''] = ancestor.split('/');
      const ancestorRef = { group: '', kind: 'Service', namespace, name };
      const before = ours.find((entry) => isDeepStrictEqual(entry.ancestorRef, ancestorRef))?.conditions;
      const stamp = stamper(object, before ?? [], now);
      return {
        ancestorRef,
        controllerName: names.ROUTE_CONTROLLER,
        conditions: [
          stamp('Accepted', accepted),
          ...(resolvedRefs === undefined ? [] : [stamp('ResolvedRefs', resolvedRefs)]),
        ],
      };
    }),
  );
}
