import type { Clock, Watched } from '../base/index.js';
import type { IssuerMaterial } from './ca-bootstrap.js';
import { checkCsr } from './csr.js';
import { issueLeaf } from './issue.js';
import { checkPod, type PodCheck } from './pod-directory.js';
import { RateLimit } from './rate-limit.js';
import { refused, type Refusal } from './refusal.js';
import { formatSpiffeId } from './spiffe-id.js';
import {
  explainRefusedToken,
  judgeReview,
  type ProvenPod,
  type TokenReviewer,
  type TokenReviewStatus,
} from './token-review.js';
import { MeshError, names } from '../base/index.js';

export interface AuthorityOptions {
  readonly trustDomain: string;
  /** Newest contents of Secret `weft-issuer`; undefined until the leader has made it. */
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly reviewToken: TokenReviewer;
  readonly podCheck: PodCheck;
  readonly clock: Clock;
}

/** A request for a certificate, as it came in. */
export interface CertifyInput {
  readonly token: string | undefined;
  /** PKCS#10 in DER. */
  readonly csr: Uint8Array;
  /** Canonical address of the sender. */
  readonly peerAddress: string;
}

export interface Certified {
  readonly kind: 'certified';
  /** DER: leaf, then issuer. */
  readonly chain: readonly Uint8Array[];
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly pod: ProvenPod;
}

/** A pod asks twice a day; this leaves room for restarts. */
const PER_POD = { burst: 10, everyMs: 6_000 };
/** Before anything is proven: shields the API server from reviews. Only where an address is a pod's own. */
const PER_ADDRESS = { burst: 100, everyMs: 100 };

/**
 * Decides who gets a certificate. The order matters: cheap checks first, then the token, because all that follows
 * compares with what the token proves.
 */
export class Authority {
  readonly #options: AuthorityOptions;
  readonly #perPod = new RateLimit(PER_POD);
  readonly #perAddress = new RateLimit(PER_ADDRESS);

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  async certify(input: CertifyInput, signal: AbortSignal): Promise<Certified | Refusal> {
    const { clock, trustDomain, podCheck } = this.#options;
    if (podCheck.checkPeerAddress && !this.#perAddress.take(input.peerAddress, clock.monotonic()))
      return tooOften(`address ${input.peerAddress}`);
    const proof = await this.#prove(input.token, signal);
    if (proof.kind === 'refused') return proof;
    const { pod } = proof;
    if (!this.#perPod.take(pod.uid, clock.monotonic())) return tooOften(`pod ${pod.namespace}/${pod.name}`);
    const known = await checkPod({ ...pod, peerAddress: input.peerAddress }, podCheck, signal);
    if ('kind' in known) return known;
    const uri = formatSpiffeId({ trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
    const csr = await checkCsr(input.csr, uri);
    if (csr.kind === 'refused') return csr;
    return this.#issue(csr.publicKey, uri, pod);
  }

  async #prove(token: string | undefined, signal: AbortSignal): Promise<ReturnType<typeof judgeReview>> {
    if (token === undefined)
      return refused('no-token', 'send the projected token as "authorization: Bearer <token>"');
    let status: TokenReviewStatus;
    try {
      status = await this.#options.reviewToken(token, names.TOKEN_AUDIENCE, signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const why = MeshError.from(thrown).message;
      return refused('review-failed', `the API server could not be asked about the token: ${why}; try again`);
    }
    const verdict = judgeReview(status);
    return verdict.kind === 'refused'
      ? explainRefusedToken(token, verdict, this.#options.clock.now())
      : verdict;
  }

  async #issue(publicKey: CryptoKey, uri: string, pod: ProvenPod): Promise<Certified | Refusal> {
    const issuer = this.#options.issuer.current;
    const now = this.#options.clock.now();
    if (issuer === undefined)
      return refused('issuer-unavailable', 'the control plane has no issuer yet; try again');
    if (issuer.certificate.notAfter.getTime() <= now) {
      return refused(
        'issuer-unavailable',
        `the issuer ended at ${issuer.certificate.notAfter.toISOString()} and must be renewed`,
      );
    }
    const leaf = await issueLeaf(issuer, { uri }, publicKey, now);
    const chain = [leaf, issuer.certificate].map((certificate) => new Uint8Array(certificate.rawData));
    return { kind: 'certified', chain, notBefore: leaf.notBefore, notAfter: leaf.notAfter, pod };
  }
}

function tooOften(who: string): Refusal {
  return refused('rate-limited', `${who} asks for certificates too often; keep the one it has and back off`);
}
