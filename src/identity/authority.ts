import { createHash } from 'node:crypto';
import { FairTurns, TooManyWaiting } from '../base/listener/index.js';
import { MeshError, RateLimit, names, type Clock, type Watched } from '../base/index.js';
import type { IssuerMaterial } from './ca-bootstrap.js';
import { checkCsr } from './csr.js';
import { issueLeaf } from './issue.js';
import { checkPod, type KnownPod, type PodCheck } from './pod-directory.js';
import { refused, type Refusal } from './refusal.js';
import { formatSpiffeId } from './spiffe-id.js';
import {
  explainRefusedToken,
  judgeReview,
  type ProvenPod,
  type TokenReviewer,
  type TokenReviewStatus,
} from './token-review.js';

export interface AuthorityOptions {
  readonly trustDomain: string;
  /** Our own namespace, whose identity is given out to nobody: replicas issue theirs themselves. */
  readonly systemNamespace: string;
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
  /** SPIFFE ID in the certificate. */
  readonly identity: string;
  /** Hexadecimal. */
  readonly serial: string;
  /** SHA-256 of the public key (SubjectPublicKeyInfo in DER), hexadecimal. */
  readonly spkiSha256: string;
}

/** A pod asks twice a day; this leaves room for restarts. */
const PER_POD = { burst: 10, everyMs: 6_000 };
/** Before anything is proven: shields the API server from reviews. */
const PER_ADDRESS = { burst: 100, everyMs: 100 };
/** The same where all pods of a node come from one address. */
const PER_SHARED_ADDRESS = { burst: 1_000, everyMs: 10 };
/** Of all addresses together: a mesh of thousands that starts at once has its certificates within half a minute. */
const OVERALL = { burst: 2_000, everyMs: 5 };
/** Reviews at once, which addresses take turns at, and how many more of one address may wait. */
const REVIEWS = { limit: 16, maxWaiting: 64 };

/**
 * Decides who gets a certificate. The order matters: cheap checks first, then the token, because all that follows
 * compares with what the token proves.
 */
export class Authority {
  readonly #options: AuthorityOptions;
  readonly #perPod = new RateLimit(PER_POD);
  readonly #perAddress: RateLimit;
  readonly #overall = new RateLimit(OVERALL);
  readonly #reviews = new FairTurns(REVIEWS);

  constructor(options: AuthorityOptions) {
    this.#options = options;
    this.#perAddress = new RateLimit(options.podCheck.checkPeerAddress ? PER_ADDRESS : PER_SHARED_ADDRESS);
  }

  async certify(input: CertifyInput, signal: AbortSignal): Promise<Certified | Refusal> {
    const { clock, trustDomain, podCheck } = this.#options;
    const busy = this.#tooBusy(input.peerAddress);
    if (busy !== undefined) return busy;
    const proof = await this.#prove(input, signal);
    if (proof.kind === 'refused') return proof;
    const { pod } = proof;
    if (!this.#perPod.take(pod.uid, clock.monotonic())) return tooOften(`pod ${pod.namespace}/${pod.name}`);
    const known = await checkPod({ ...pod, peerAddress: input.peerAddress }, podCheck, signal);
    if ('kind' in known) return known;
    const unfit = this.#unfit(known);
    if (unfit !== undefined) return unfit;
    const uri = formatSpiffeId({ trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
    const csr = await checkCsr(input.csr, uri);
    if (csr.kind === 'refused') return csr;
    return this.#issue(csr.publicKey, uri, pod);
  }

  #tooBusy(address: string): Refusal | undefined {
    const now = this.#options.clock.monotonic();
    if (!this.#perAddress.take(address, now)) return tooOften(`address ${address}`);
    if (!this.#overall.take('', now))
      return refused('rate-limited', 'this replica issues as many certificates as it can; try again');
    return undefined;
  }

  /** Who is what it says, and gets no certificate all the same. */
  #unfit({ namespace, name, serviceAccount, hostNetwork }: KnownPod): Refusal | undefined {
    if (hostNetwork)
      return refused(
        'host-network',
        `pod ${namespace}/${name} uses its node's network: its address proves only the node, and nothing of it can be captured`,
      );
    if (namespace === this.#options.systemNamespace && serviceAccount === names.SYSTEM_SERVICE_ACCOUNT)
      return refused(
        'control-plane-identity',
        `the identity of service account ${namespace}/${serviceAccount} is the control plane's own`,
      );
    return undefined;
  }

  async #prove(
    { token, peerAddress }: CertifyInput,
    signal: AbortSignal,
  ): Promise<ReturnType<typeof judgeReview>> {
    if (token === undefined)
      return refused('no-token', 'send the projected token as "authorization: Bearer <token>"');
    let status: TokenReviewStatus;
    try {
      status = await this.#reviews.run(peerAddress, () => {
        signal.throwIfAborted();
        return this.#options.reviewToken(token, names.TOKEN_AUDIENCE, signal);
      });
    } catch (thrown) {
      if (thrown instanceof TooManyWaiting) return tooOften(`address ${peerAddress}`);
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
        `the issuer expired at ${issuer.certificate.notAfter.toISOString()} and must be renewed`,
      );
    }
    const leaf = await issueLeaf(issuer, { uri }, publicKey, now);
    const chain = [leaf, issuer.certificate].map((certificate) => new Uint8Array(certificate.rawData));
    const { notBefore, notAfter, serialNumber: serial } = leaf;
    const spkiSha256 = createHash('sha256').update(new Uint8Array(leaf.publicKey.rawData)).digest('hex');
    return { kind: 'certified', chain, notBefore, notAfter, pod, identity: uri, serial, spkiSha256 };
  }
}

function tooOften(who: string): Refusal {
  return refused('rate-limited', `${who} asks for certificates too often; keep the one it has and back off`);
}
