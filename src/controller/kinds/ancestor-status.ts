import type { BackendPolicyObject } from '../../kube/index.js';
import type { AncestorVerdict, Mesh, PolicyRef } from '../../model/index.js';
import { ancestorEntries } from '../backend-policy-status.js';
import type { StatusShape } from './kind.js';
import { sharedStatus, type SharedStatus } from './shared-status.js';

interface AncestorStatus<T> extends Omit<SharedStatus<BackendPolicyObject, T>, 'status'> {
  /** What became of one, for each Service that its status lists. */
  judge(mesh: Mesh, value: T): readonly AncestorVerdict[];
}

/** `status.ancestors`, in which several controllers have entries. */
export function ancestorStatus<T extends { readonly ref: PolicyRef }>(
  kind: AncestorStatus<T>,
): StatusShape<BackendPolicyObject> {
  return sharedStatus({
    ...kind,
    status: (object, value: T, { mesh, now }) => {
      const ancestors = ancestorEntries(object, kind.judge(mesh, value), now);
      return ancestors === undefined ? undefined : { ancestors };
    },
  });
}
