import { isDeepStrictEqual } from 'node:util';
import { names } from '../base/index.js';
import type { BackendPolicyObject } from '../kube/index.js';
import type { TargetVerdict } from '../model/index.js';
import { type OwnEntry, stamper, withOwnEntries } from './own-entries.js';

/** An entry of `status.ancestors` that we write. */
interface AncestorStatus extends OwnEntry {
  readonly ancestorRef: Readonly<Record<'group' | 'kind' | 'namespace' | 'name', string>>;
}

/** As many as the API allows. */
const MAX_ANCESTORS = 16;

/**
 * What `status.ancestors` of an XBackendTrafficPolicy should be: the entries of other controllers as they are, then one
 * of ours for each Service that it targets. Undefined when it is that already.
 */
export function policyAncestors(
  object: BackendPolicyObject,
  verdicts: readonly TargetVerdict[],
  now: number,
): readonly unknown[] | undefined {
  return withOwnEntries<AncestorStatus>(object.ancestors, MAX_ANCESTORS, (ours) =>
    verdicts.map(({ target: { namespace, name }, accepted }) => {
      const ancestorRef = { group: '', kind: 'Service', namespace, name };
      const before = ours.find((entry) => isDeepStrictEqual(entry.ancestorRef, ancestorRef))?.conditions;
      return {
        ancestorRef,
        controllerName: names.ROUTE_CONTROLLER,
        conditions: [stamper(object, before ?? [], now)('Accepted', accepted)],
      };
    }),
  );
}
