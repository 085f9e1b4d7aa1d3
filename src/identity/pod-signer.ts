import { RateLimit, type Clock, type Watched } from '../base/index.js';
import { renewAt, type IssuerMaterial } from './ca-bootstrap.js';
import { OVERALL, PER_POD, issueTo, tooOften, unfitPod, type Certified } from './certified.js';
import { checkCsr } from './csr.js';
import { BACKDATE_MS, LEAF_LIFE_MS } from './issue.js';
import { refused, type Refusal } from './refusal.js';
import { formatSpiffeId } from './spiffe-id.js';

/** What a PodCertificateRequest says, which the API server has verified to be signed with its key, and nothing else. */
export interface PodClaim {
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly nodeUid: string;
  /** PKCS#10 in DER. */
  readonly csr: Uint8Array;
  readonly maxLifeMs: number;
  /** Keys of what the pod's author wants to tell the signer. */
  readonly annotations: readonly string[];
}

/** What the cluster says about a pod and its node. */
export interface PlacedPod {
  readonly uid: string;
  readonly serviceAccount: string;
  /** Empty until it is scheduled. */
  readonly nodeName: string;
  /** Undefined: the node is not known (yet). */
  readonly nodeUid: string | undefined;
  readonly hostNetwork: boolean;
}

export interface PodSignerOptions {
  readonly trustDomain: string;
  /** Our own namespace, whose identity is given out to nobody. */
  readonly systemNamespace: string;
  readonly issuer: Watched<IssuerMaterial | undefined>;
  /** Looks a pod up; undefined: not seen (yet). */
  readonly podOf: (namespace: string, name: string) => PlacedPod | undefined;
  readonly clock: Clock;
}

/** A certificate that the kubelet is to renew. */
export interface SignedForKubelet extends Certified {
  readonly refreshAt: Date;
}

/** The API server takes no shorter life. */
const SHORTEST_LIFE_MS = 3_600_000;

/** Decides which pod certificates are issued: by the rules of the CSR port, where the API server stands in for the token. */
export class PodSigner {
  readonly #options: PodSignerOptions;
  readonly #perPod = new RateLimit(PER_POD);
  readonly #overall = new RateLimit(OVERALL);

  constructor(options: PodSignerOptions) {
    this.#options = options;
  }

  async certify(claim: PodClaim): Promise<SignedForKubelet | Refusal> {
    const { clock, trustDomain, systemNamespace, podOf } = this.#options;
    const { namespace, podName: name, podUid: uid, serviceAccount } = claim;
    const found = podOf(namespace, name);
    const unproven =
      unprovenClaim(claim, found) ??
      unfitPod({ ...claim, name, hostNetwork: found?.hostNetwork === true }, systemNamespace);
    if (unproven !== undefined) return unproven;
    const uri = formatSpiffeId({ trustDomain, namespace, serviceAccount });
    const csr = await checkCsr(claim.csr, uri);
    if (csr.kind === 'refused') return csr;
    const at = clock.monotonic();
    if (!this.#perPod.take(uid, at)) return tooOften(`the kubelet of pod ${namespace}/${name}`);
    if (!this.#overall.take('', at))
      return refused('rate-limited', 'the control plane issues as many certificates as it can; try again');
    return this.#issue(claim, csr.publicKey, uri);
  }

  async #issue(
    { namespace, podName: name, podUid: uid, serviceAccount, maxLifeMs }: PodClaim,
    publicKey: CryptoKey,
    uri: string,
  ): Promise<SignedForKubelet | Refusal> {
    const { issuer, clock } = this.#options;
    // The API server counts from the moment that the certificate is valid from, which lies a little back.
    const lifeMs = Math.min(LEAF_LIFE_MS, maxLifeMs) - BACKDATE_MS;
    const order = { issuer: issuer.current, publicKey, uri, now: clock.now(), lifeMs };
    const issued = await issueTo({ namespace, name, uid, serviceAccount }, order);
    if (issued.kind === 'refused') return issued;
    const { notBefore, notAfter } = issued;
    if (notAfter.getTime() - notBefore.getTime() < SHORTEST_LIFE_MS)
      return refused(
        'issuer-unavailable',
        `the issuer ends at ${notAfter.toISOString()}, in less than the hour that a pod certificate has to last, and must be renewed`,
      );
    return { ...issued, refreshAt: new Date(renewAt(notBefore, notAfter)) };
  }
}

/** Whether a refusal is for good: the kubelet never asks again for a pod that was denied, so what may pass is waited for. */
export function isFinal({ reason }: Refusal): boolean {
  return !PASSING.has(reason);
}

const PASSING: ReadonlySet<Refusal['reason']> = new Set([
  'unknown-pod',
  'rate-limited',
  'issuer-unavailable',
]);

function unprovenClaim(claim: PodClaim, found: PlacedPod | undefined): Refusal | undefined {
  const pod = `${claim.namespace}/${claim.podName}`;
  const [annotation] = claim.annotations;
  if (annotation !== undefined)
    return refused(
      'unknown-annotation',
      `userAnnotations has ${annotation.slice(0, 64)}, and signer weft.dev/workload knows none: remove it from the volume`,
    );
  // A StatefulSet's next pod has the name of the one before, which is what a view that lags still has.
  if (found?.uid !== claim.podUid)
    return refused(
      'unknown-pod',
      `the control plane has not seen a pod ${pod} with uid ${claim.podUid.slice(0, 64)} yet`,
    );
  if (found.serviceAccount !== claim.serviceAccount)
    return refused(
      'pod-mismatch',
      `pod ${pod} runs as ${claim.namespace}/${found.serviceAccount}, not as ${claim.namespace}/${claim.serviceAccount}`,
    );
  if (found.nodeName === '' || found.nodeUid === undefined)
    return refused('unknown-pod', `the control plane has not seen yet on which node pod ${pod} is`);
  // A pod never moves to another node.
  if (found.nodeName !== claim.nodeName)
    return refused('pod-mismatch', `pod ${pod} is on node ${found.nodeName}, not on ${claim.nodeName}`);
  // A node that is created again keeps its name, and a view that lags has the former one.
  if (found.nodeUid !== claim.nodeUid)
    return refused(
      'unknown-pod',
      `the control plane has not seen a node ${found.nodeName} with uid ${claim.nodeUid.slice(0, 64)} yet`,
    );
  return undefined;
}
