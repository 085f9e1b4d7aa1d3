import type { KnownPod } from '../identity/index.js';
import { formatSpiffeId } from '../identity/index.js';
import type { Pod, Store } from '../kube/index.js';
import type { Reporter } from '../telemetry/index.js';

/**
 * The workload that a pod belongs to, as people know it: the Deployment rather than its ReplicaSet, whose name ends in the hash that the
 * pod has as a label; a pod on its own is its own.
 */
export function reporterOf(pods: Pick<Store<Pod>, 'get'>, trustDomain: string, pod: KnownPod): Reporter {
  const { namespace, name, serviceAccount } = pod;
  const identity = formatSpiffeId({ trustDomain, namespace, serviceAccount });
  const { owner, labels = {} } = pods.get(`${namespace}/${name}`)?.metadata ?? {};
  if (owner === undefined) return { namespace, kind: 'Pod', name, identity };
  const suffix = `-${labels['pod-template-hash'] ?? ''}`;
  if (owner.kind === 'ReplicaSet' && suffix !== '-' && owner.name.endsWith(suffix))
    return { namespace, kind: 'Deployment', name: owner.name.slice(0, -suffix.length), identity };
  return { namespace, kind: owner.kind, name: owner.name, identity };
}
