import { sleep } from '../base/index.js';
import { canonicalAddress } from '../base/listener/index.js';
import type { Mesh } from '../model/index.js';
import { refused, type Refusal } from './refusal.js';

/** What the cluster says about a pod. */
export interface KnownPod {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  /** `status.podIPs`; empty until the kubelet has reported them. */
  readonly addresses: readonly string[];
  /** It shares its node's address with others, so that the address proves only the node. */
  readonly hostNetwork: boolean;
}

/** Port: looks a pod up by its uid, in whatever the caller keeps of the cluster. Undefined: not seen (yet). */
export type PodDirectory = (uid: string) => KnownPod | undefined;

export interface PodCheck {
  readonly pods: PodDirectory;
  /** False for networks that hide pod addresses: the pod must still exist, under the namespace and account it claims. */
  readonly checkPeerAddress: boolean;
  /** How long to wait for the cluster to report the pod and its address, in milliseconds. Default 5 s. */
  readonly waitMs?: number;
}

export interface PodClaim {
  readonly uid: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Canonical address the request came from. */
  readonly peerAddress: string;
}

const POLL_MS = 50;

/**
 * Whether a pod is the one it claims to be and speaks from one of its own addresses. A proxy starts before the kubelet
 * has reported the pod's addresses, and a replica's view lags: so an unknown pod is waited for, a wrong one is not.
 */
export async function checkPod(
  claim: PodClaim,
  check: PodCheck,
  signal: AbortSignal,
): Promise<KnownPod | Refusal> {
  const until = performance.now() + (check.waitMs ?? 5_000);
  for (;;) {
    const verdict = judgePod(claim, check);
    if (!('kind' in verdict) || verdict.reason !== 'unknown-pod' || performance.now() >= until)
      return verdict;
    await sleep(POLL_MS, signal);
  }
}

function judgePod(claim: PodClaim, check: PodCheck): KnownPod | Refusal {
  const pod = check.pods(claim.uid);
  if (pod === undefined)
    return refused(
      'unknown-pod',
      `the control plane has not seen a pod with uid ${claim.uid.slice(0, 64)}; try again`,
    );
  if (pod.namespace !== claim.namespace || pod.serviceAccount !== claim.serviceAccount) {
    return refused(
      'pod-mismatch',
      `pod ${pod.namespace}/${pod.name} runs as ${pod.namespace}/${pod.serviceAccount}, not as ${claim.namespace}/${claim.serviceAccount}`,
    );
  }
  if (!check.checkPeerAddress) return pod;
  if (pod.addresses.length === 0)
    return refused(
      'unknown-pod',
      `pod ${pod.namespace}/${pod.name} has no address in its status yet; try again`,
    );
  if (pod.addresses.some((address) => canonicalAddress(address) === claim.peerAddress)) return pod;
  return refused(
    'foreign-address',
    `the request came from ${claim.peerAddress}, which is not an address of pod ${pod.namespace}/${pod.name} (${pod.addresses.join(', ')}); ` +
      'if the network hides pod addresses, set checkPeerAddress to false in the values of the chart',
  );
}

/** The directory that the mesh's own tables make; it follows them. */
export function podDirectory(mesh: Mesh): PodDirectory {
  return (uid) => {
    const workload = mesh.workloads.get(uid);
    if (workload === undefined) return undefined;
    const { namespace, name } = workload.key;
    const { serviceAccount, ips: addresses, hostNetwork } = workload;
    return { namespace, name, serviceAccount, addresses, hostNetwork };
  };
}
