import {
  MeshError,
  names,
  sleep,
  systemClock,
  watched,
  type Clock,
  type Logger,
  type Watched,
} from '../base/index.js';
import type { ServerIdentity } from '../grpc/index.js';
import { renewAt, type IssuerMaterial } from './ca-bootstrap.js';
import { certificatePem, issueLeaf, type LeafName } from './issue.js';
import { exportPrivateKey, generateKeyPair } from './keys.js';
import { formatSpiffeId } from './spiffe-id.js';

/** A certificate of the control plane's own, with its end for readiness and metrics. */
export interface OwnCertificate extends ServerIdentity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface OwnCertificateOptions {
  /** Waits here for the first value, and issues anew whenever it changes: new issuer, new roots. */
  readonly issuer: Watched<IssuerMaterial | undefined>;
  readonly name: LeafName;
  readonly log: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** The name proxies expect of the control plane on its CSR and config ports. */
export function controlPlaneName(trustDomain: string, systemNamespace: string): LeafName {
  const serviceAccount = names.SYSTEM_SERVICE_ACCOUNT;
  return { uri: formatSpiffeId({ trustDomain, namespace: systemNamespace, serviceAccount }) };
}

/** The name the API server calls the webhook by. A certificate of its own: an SVID holds one URI and nothing else. */
export function webhookName(revision: string, systemNamespace: string): LeafName {
  return { dns: [`${names.revisionName(revision)}.${systemNamespace}.svc`] };
}

/** A new key and a certificate for it. `now` in milliseconds since 1970. */
export async function issueCertificate(
  issuer: IssuerMaterial,
  name: LeafName,
  now: number,
): Promise<OwnCertificate> {
  const keys = await generateKeyPair();
  const leaf = await issueLeaf(issuer, name, keys.publicKey, now);
  return {
    chain: certificatePem(leaf) + issuer.chain,
    privateKey: await exportPrivateKey(keys.privateKey),
    roots: issuer.roots,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  };
}

const RETRY_MS = 1_000;
const MAX_TIMER_MS = 2_147_483_647;

/**
 * Issues a certificate for this process, with a key that never leaves it, and keeps it fresh until the signal aborts:
 * renewed between 50 and 70 % of its life, and at once when issuer or roots change. Resolves with the first.
 */
export async function keepOwnCertificate(
  options: OwnCertificateOptions,
  signal: AbortSignal,
): Promise<Watched<OwnCertificate>> {
  const keeper = new Keeper(options, signal);
  return keeper.start();
}

class Keeper {
  readonly #options: OwnCertificateOptions;
  readonly #signal: AbortSignal;
  readonly #clock: Clock;
  /** Aborted and replaced when the issuer changes. */
  #changed = new AbortController();
  /** Aborts when there is a newer issuer than the one that was used last. */
  #outdated: AbortSignal = this.#changed.signal;

  constructor(options: OwnCertificateOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#clock = options.clock ?? systemClock;
  }

  async start(): Promise<Watched<OwnCertificate>> {
    this.#options.issuer.subscribe(() => {
      this.#changed.abort();
      this.#changed = new AbortController();
    }, this.#signal);
    const first = await this.#issueSurely();
    const own = watched(first.certificate);
    void this.#keep((certificate) => own.set(certificate), first.renewAt);
    return own;
  }

  async #keep(publish: (certificate: OwnCertificate) => void, firstRenewal: number): Promise<void> {
    let due = firstRenewal;
    await this.#wait(due - this.#clock.now());
    while (!this.#signal.aborted) {
      try {
        const next = await this.#issueSurely();
        due = next.renewAt;
        publish(next.certificate);
      } catch (thrown) {
        this.#options.log.error({ err: MeshError.from(thrown) }, 'a new certificate was not put to use');
      }
      await this.#wait(due - this.#clock.now());
    }
  }

  /** Tries until it works: an issuer may be missing at first, or have ended. */
  async #issueSurely(): Promise<{ certificate: OwnCertificate; renewAt: number }> {
    for (;;) {
      this.#signal.throwIfAborted();
      this.#outdated = this.#changed.signal;
      const issuer = this.#options.issuer.current;
      try {
        if (issuer !== undefined) {
          const now = this.#clock.now();
          const certificate = await issueCertificate(issuer, this.#options.name, now);
          const due = renewAt(new Date(now), certificate.notAfter, this.#options.random);
          // An issuer at its own end gives less and less: no more often than this, then.
          return { certificate, renewAt: Math.max(due, now + RETRY_MS) };
        }
      } catch (thrown) {
        this.#options.log.error(
          { err: MeshError.from(thrown) },
          'could not issue the control plane its certificate',
        );
      }
      await this.#wait(RETRY_MS);
    }
  }

  /** Waits; a change of issuer or the end of everything cuts it short. */
  async #wait(ms: number): Promise<void> {
    const either = AbortSignal.any([this.#outdated, this.#signal]);
    await sleep(Math.min(Math.max(ms, 0), MAX_TIMER_MS), either).catch(() => undefined);
  }
}
