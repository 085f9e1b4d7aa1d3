import { FairTurns, TooManyWaiting } from '../base/listener/index.js';
import { MeshError, RateLimit, names, type Clock, type Watched } from '../base/index.js';
import type { IssuerMaterial } from './ca-bootstrap.js';
import { checkCsr } from './csr.js';
import { OVERALL, PER_POD, issueTo, tooOften, unfitPod, type Certified } from './certified.js';
import { checkPod, type PodCheck } from './pod-directory.js';
import { refused, type Refusal } from './refusal.js';
import { formatSpiffeId } from './spiffe-id.js';
import {
  explainRefusedToken,
  judgeReview,
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

/** Before anything is proven: shields the API server from reviews. */
const PER_ADDRESS = { burst: 100, everyMs: 100 };
/** The same where all pods of a node come from one address. */
const PER_SHARED_ADDRESS = { burst: 1_000, everyMs: 10 };
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
    const unfit = unfitPod(known, this.#options.systemNamespace);
    if (unfit !== undefined) return unfit;
    const uri = formatSpiffeId({ trustDomain, namespace: pod.namespace, serviceAccount: pod.serviceAccount });
    const csr = await checkCsr(input.csr, uri);
    if (csr.kind === 'refused') return csr;
    return issueTo(pod, {
      issuer: this.#options.issuer.current,
      publicKey: csr.publicKey,
      uri,
      now: clock.now(),
    });
  }

  #tooBusy(address: string): Refusal | undefined {
    const now = this.#options.clock.monotonic();
    if (!this.#perAddress.take(address, now)) return tooOften(`address ${address}`);
    if (!this.#overall.take('', now))
      return refused('rate-limited', 'this replica issues as many certificates as it can; try again');
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
}
