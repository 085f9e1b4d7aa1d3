import type { KnownPod } from '../identity/index.js';
import { formatSpiffeId } from '../identity/index.js';
import { workloadOwner, type Pod, type Store } from '../kube/index.js';
import type { Reporter } from '../telemetry/index.js';

/** The workload that a pod belongs to, as whoever reports its traffic; a pod that is not in the cache is its own. */
export function reporterOf(pods: Pick<Store<Pod>, 'get'>, trustDomain: string, pod: KnownPod): Reporter {
  const { namespace, name, serviceAccount } = pod;
  const identity = formatSpiffeId({ trustDomain, namespace, serviceAccount });
  const { owner, labels = {} } = pods.get(`${namespace}/${name}`)?.metadata ?? {};
  return { namespace, ...workloadOwner({ name, owner, labels }), identity };
}
