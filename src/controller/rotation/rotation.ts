import { isDeepStrictEqual } from 'node:util';
import { MeshError, names, systemClock, type Clock, type Logger } from '../../base/index.js';
import {
  fingerprintOf,
  fingerprintsOf,
  keyIdOf,
  signerIn,
  validSince,
  type Reach,
  type TrustWish,
} from '../../identity/index.js';
import {
  Resources,
  applyObject,
  getObject,
  type KubeClient,
  type Pod,
  type ReadonlyStore,
  type Secret,
} from '../../kube/index.js';
import type { TrustStanding } from '../../proxies/index.js';
import { ownWebhooks } from '../webhook-entries.js';
import { countTrust, type TrustCounts } from './counts.js';
import { refusal, standingOf, wishOf, type Found, type TrustFacts } from './decide.js';
import {
  ROTATION_MAP,
  isOver,
  isRotating,
  statusData,
  type RotationRecord,
  type RotationRequest,
  type RotationState,
  type RotationStatus,
} from './record.js';

export interface RotationOptions {
  readonly client: KubeClient;
  readonly systemNamespace: string;
  readonly revision: string;
  readonly records: ReadonlyStore<RotationRecord>;
  readonly pods: ReadonlyStore<Pod>;
  /** Of every replica, this one first; undefined where its version does not count. */
  readonly reports: () => readonly (TrustStanding | undefined)[];
  readonly log: Logger;
  readonly clock?: Clock;
}

/** Both Secrets as they were read. */
export interface TrustSecretsRead {
  readonly root: Secret | undefined;
  readonly issuer: Secret | undefined;
}

const CERT_MANAGER = 'cert-manager.io/certificate-name';

/**
 * What the leader does for a rotation that somebody asked for, beside what `nextTrustStep` does. All that it has to remember is
 * written down before anything is replaced, so that another leader goes on where this one ended.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #clock: Clock;

  constructor(options: RotationOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get #record(): RotationRecord | undefined {
    const { records, systemNamespace } = this.#options;
    return records.get(`${systemNamespace}/${ROTATION_MAP}`);
  }

  /** Whether something is asked for that has not ended. */
  get isUnderWay(): boolean {
    return isRotating(this.#options.records);
  }

  /** What is to be replaced; takes a new request up, or refuses it. Undefined: nothing is asked for. */
  async wish(secrets: TrustSecretsRead, signal: AbortSignal): Promise<TrustWish | undefined> {
    const { request, status } = this.#record ?? {};
    if (request === undefined) return undefined;
    if (status?.id !== request.id) return this.#begin(request, secrets, signal);
    return isOver(status) ? undefined : wishOf(status, await factsOf(secrets));
  }

  async #begin(
    request: RotationRequest,
    secrets: TrustSecretsRead,
    signal: AbortSignal,
  ): Promise<TrustWish | undefined> {
    const refused = refusal(request, foundIn(secrets));
    const facts = await factsOf(secrets);
    const state = refused === undefined ? 'Announcing' : 'Refused';
    const begun: RotationStatus = {
      ...request,
      state,
      message: refused ?? 'it begins',
      from: { issuer: facts.issuer, signer: facts.signer, root: facts.root },
      ...sharesOf(this.#counts(facts)),
      states: [{ state, at: this.#clock.now() }],
    };
    this.#options.log.info({ of: request.of, state, message: begun.message }, 'a rotation was asked for');
    const isWritten = await this.#write(begun, signal);
    return isWritten && refused === undefined ? wishOf(begun, facts) : undefined;
  }

  /** Writes down how it stands. Answers with the fingerprint of the root that is to go now. */
  async settle(secrets: TrustSecretsRead, signal: AbortSignal): Promise<string | undefined> {
    const { request, status } = this.#record ?? {};
    if (status === undefined || status.id !== request?.id || isOver(status)) return undefined;
    const facts = await factsOf(secrets);
    const counts = this.#counts(facts);
    const { state, message, dropRoot } = standingOf(status, facts, counts, this.#clock.now());
    const next: RotationStatus = {
      ...status,
      state,
      message,
      ...sharesOf(counts),
      states: this.#statesWith(status, state),
    };
    if (!isDeepStrictEqual(next, status)) await this.#write(next, signal);
    return dropRoot ? (status.from.signer ?? undefined) : undefined;
  }

  #statesWith({ states }: RotationStatus, state: RotationState): RotationStatus['states'] {
    if (states.at(-1)?.state === state) return states;
    this.#options.log.info({ state }, 'the rotation goes on');
    return [...states, { state, at: this.#clock.now() }].slice(-20);
  }

  /** How far the newest root in the issuer's Secret has come. */
  async reach(secrets: TrustSecretsRead, signal: AbortSignal): Promise<Reach> {
    const { reach } = this.#counts(await factsOf(secrets));
    if (reach !== 'everywhere') return reach;
    return (await this.#isTrustedByWebhook(secrets, signal)) ? reach : 'lacking';
  }

  async #isTrustedByWebhook({ issuer }: TrustSecretsRead, signal: AbortSignal): Promise<boolean> {
    const { client, revision } = this.#options;
    const name = names.revisionName(revision);
    const configuration = await getObject(client, Resources.webhookConfiguration, { name }, signal);
    const [newest] = fingerprintsOf(issuer?.data['ca.crt'] ?? '');
    const own = configuration === undefined ? [] : ownWebhooks(configuration, revision);
    return own.every(({ caBundle }) =>
      fingerprintsOf(Buffer.from(caBundle, 'base64').toString()).some((root) => root === newest),
    );
  }

  #counts({ roots, issuerKey: issuer }: TrustFacts): TrustCounts {
    const { reports, pods } = this.#options;
    return countTrust(reports(), pods.values(), { roots, issuer });
  }

  /** False: what we know is old; the next look is at what somebody else has written. */
  async #write(status: RotationStatus, signal: AbortSignal): Promise<boolean> {
    const { client, systemNamespace } = this.#options;
    const resourceVersion = this.#record?.metadata.resourceVersion ?? '';
    const metadata = { name: ROTATION_MAP, namespace: systemNamespace, resourceVersion };
    try {
      await applyObject(client, Resources.configMap, { metadata, data: statusData(status) }, { signal });
      return true;
    } catch (thrown) {
      if (MeshError.from(thrown).code !== 'conflict') throw thrown;
      return false;
    }
  }
}

function sharesOf(
  counts: TrustCounts,
): Pick<RotationStatus, 'trusting' | 'certified' | 'replicas' | 'behind'> {
  return {
    trusting: { count: counts.trusting, of: counts.pods },
    certified: { count: counts.certified, of: counts.pods },
    replicas: { count: counts.current, of: counts.replicas },
    behind: [...counts.behind],
  };
}

function foundIn({ root, issuer }: TrustSecretsRead): Found {
  return {
    root: root?.data['tls.crt'],
    issuer: issuer?.data['tls.crt'],
    keptBy: issuer?.metadata.annotations[CERT_MANAGER],
  };
}

async function factsOf({ root, issuer }: TrustSecretsRead): Promise<TrustFacts> {
  const rootCertificate = root?.data['tls.crt'];
  const bundle = issuer?.data['ca.crt'] ?? '';
  return {
    root: rootCertificate === undefined ? null : fingerprintOf(rootCertificate),
    roots: fingerprintsOf(bundle),
    ...(await issuerFacts(issuer?.data['tls.crt'], bundle)),
  };
}

async function issuerFacts(
  certificate: string | undefined,
  bundle: string,
): Promise<Omit<TrustFacts, 'root' | 'roots'>> {
  if (certificate === undefined) return { issuer: null, issuerKey: '', signer: null, issuerSince: 0 };
  return {
    issuer: fingerprintOf(certificate),
    issuerKey: keyIdOf(certificate),
    signer: (await signerIn(bundle, certificate)) ?? null,
    issuerSince: validSince(certificate),
  };
}
