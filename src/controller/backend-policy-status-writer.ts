import { Resources, type BackendPolicyObject } from '../kube/index.js';
import { judgeBackendPolicy } from '../model/index.js';
import { policyAncestors } from './backend-policy-status.js';
import type { ClusterView } from './cluster-view.js';
import type { Collector } from './collector.js';
import { type SharedStatusOptions, writeSharedStatuses } from './shared-status.js';

export interface BackendPolicyStatusOptions extends SharedStatusOptions {
  readonly view: Pick<ClusterView, 'backendPolicies' | 'services'>;
  readonly collector: Collector;
}

/** Keeps our part of the status of every XBackendTrafficPolicy true, as long as this replica leads. */
export function writeBackendPolicyStatuses(
  options: BackendPolicyStatusOptions,
  signal: AbortSignal,
): Promise<void> {
  const { view, collector } = options;
  const status = (object: BackendPolicyObject, now: number): object | undefined => {
    const policy = collector.mesh.backendPolicies.get(object.metadata.uid);
    // A policy that cannot be read has targets nobody knows.
    if (policy?.ref.generation !== object.metadata.generation) return undefined;
    const ancestors = policyAncestors(object, judgeBackendPolicy(collector.mesh, policy), now);
    return ancestors === undefined ? undefined : { ancestors };
  };
  const kinds = [{ objects: view.backendPolicies, resource: Resources.backendPolicy, status }];
  return writeSharedStatuses('backend-policy-status', kinds, options, signal);
}
