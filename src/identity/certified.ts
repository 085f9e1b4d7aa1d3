import { createHash } from 'node:crypto';
import { names } from '../base/index.js';
import type { IssuerMaterial } from './ca-bootstrap.js';
import { LEAF_LIFE_MS, issueLeaf } from './issue.js';
import type { KnownPod } from './pod-directory.js';
import { refused, type Refusal } from './refusal.js';
import type { ProvenPod } from './token-review.js';

/** A certificate for a pod, however it was asked for. */
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
export const PER_POD = { burst: 10, everyMs: 6_000 };
/** Of all pods together: a mesh of thousands that starts at once has its certificates within half a minute. */
export const OVERALL = { burst: 2_000, everyMs: 5 };

/** Who is what it says, and gets no certificate all the same. */
export function unfitPod(
  { namespace, name, serviceAccount, hostNetwork }: Omit<KnownPod, 'addresses'>,
  systemNamespace: string,
): Refusal | undefined {
  if (hostNetwork)
    return refused(
      'host-network',
      `pod ${namespace}/${name} uses its node's network: its address proves only the node, and nothing of it can be captured`,
    );
  if (namespace === systemNamespace && serviceAccount === names.SYSTEM_SERVICE_ACCOUNT)
    return refused(
      'control-plane-identity',
      `the identity of service account ${namespace}/${serviceAccount} is the control plane's own`,
    );
  return undefined;
}

export interface Order {
  /** Undefined until the leader has made it. */
  readonly issuer: IssuerMaterial | undefined;
  readonly publicKey: CryptoKey;
  readonly uri: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** From now to the end, at most; default 24 hours. */
  readonly lifeMs?: number;
}

/** Issues to a pod that has proven to be one. */
export async function issueTo(
  pod: ProvenPod,
  { issuer, publicKey, uri, now, lifeMs = LEAF_LIFE_MS }: Order,
): Promise<Certified | Refusal> {
  if (issuer === undefined)
    return refused('issuer-unavailable', 'the control plane has no issuer yet; try again');
  if (issuer.certificate.notAfter.getTime() <= now) {
    return refused(
      'issuer-unavailable',
      `the issuer expired at ${issuer.certificate.notAfter.toISOString()} and must be renewed`,
    );
  }
  const leaf = await issueLeaf(issuer, { uri, lifeMs }, publicKey, now);
  const chain = [leaf, issuer.certificate].map((certificate) => new Uint8Array(certificate.rawData));
  const { notBefore, notAfter, serialNumber: serial } = leaf;
  const spkiSha256 = createHash('sha256').update(new Uint8Array(leaf.publicKey.rawData)).digest('hex');
  return { kind: 'certified', chain, notBefore, notAfter, pod, identity: uri, serial, spkiSha256 };
}

export function tooOften(who: string): Refusal {
  return refused('rate-limited', `${who} asks for certificates too often; keep the one it has and back off`);
}
