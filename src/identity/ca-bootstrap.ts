import { createPrivateKey, hkdfSync } from 'node:crypto';
import { MeshError } from '../base/index.js';
import { structuralProblem } from './ca-checks.js';
import { certificatePem, issueCa, parseSigner, type Signer } from './issue.js';
import { exportPrivateKey, generateKeyPair } from './keys.js';
import { decodePem, encodePem } from './pem.js';
import { X509Certificate } from './x509.js';

const DAY_MS = 24 * 3_600_000;
const ROOT_LIFE_MS = 3_652 * DAY_MS;
export const ISSUER_LIFE_MS = 365 * DAY_MS;

/** What the subjects of the CAs that we make begin with: what is called otherwise is somebody else's. */
export const ROOT_NAME = 'Weft root of ';
export const ISSUER_NAME = 'Weft issuer of ';

/** A CA as it lies in a Secret, all in PEM. */
export interface CaMaterial {
  readonly certificate: string;
  /** PKCS#8. */
  readonly privateKey: string;
}

/** A new root, valid for ten years. Only the leader needs its key, and only to sign an issuer. */
export async function createRoot(trustDomain: string, now: number): Promise<CaMaterial> {
  return makeRoot(`${ROOT_NAME}${trustDomain}`, now);
}

/** A new issuer, valid for one year or as long as its root; it can sign leaves only. */
export async function createIssuer(root: CaMaterial, trustDomain: string, now: number): Promise<CaMaterial> {
  return makeIssuer(root, { name: `${ISSUER_NAME}${trustDomain}`, lifeMs: ISSUER_LIFE_MS, now });
}

/** A new root for a place outside of the cluster. What the leader makes is called otherwise, so that it neither renews nor replaces what is under this. */
export async function createOfflineRoot(now: number): Promise<CaMaterial> {
  return makeRoot('Offline root of the mesh', now);
}

/** An issuer under such a root, valid for so long or as long as its root. */
export async function createOfflineIssuer(
  root: CaMaterial,
  { lifeMs, now }: { readonly lifeMs: number; readonly now: number },
): Promise<CaMaterial> {
  return makeIssuer(root, { name: 'Offline issuer of the mesh', lifeMs, now });
}

async function makeRoot(name: string, now: number): Promise<CaMaterial> {
  const { publicKey, privateKey } = await generateKeyPair();
  const request = { name, publicKey, lifeMs: ROOT_LIFE_MS, pathLength: undefined, now };
  const certificate = await issueCa({ privateKey }, request);
  return { certificate: certificatePem(certificate), privateKey: await exportPrivateKey(privateKey) };
}

async function makeIssuer(
  root: CaMaterial,
  of: { readonly name: string; readonly lifeMs: number; readonly now: number },
): Promise<CaMaterial> {
  const parent = await parseSigner(root.certificate, root.privateKey, 'the root');
  const { publicKey, privateKey } = await generateKeyPair();
  const certificate = await issueCa(parent, { ...of, publicKey, pathLength: 0 });
  return { certificate: certificatePem(certificate), privateKey: await exportPrivateKey(privateKey) };
}

/** What the authority signs with, and what everybody trusts. Kept in Secret `weft-issuer`. */
export interface IssuerMaterial extends Signer {
  /** PEM of the issuer's certificate: goes behind each leaf. */
  readonly chain: string;
  /** PEM of all roots that are trusted; the issuer's own is among them. */
  readonly roots: string;
  /** What proxies make the tokens of sessions with. The same in every replica; tells nothing of the key that it comes from. */
  readonly sessionKey: Uint8Array;
}

/** Contents of Secret `weft-issuer`, decoded from base64. */
export interface IssuerSecret {
  readonly 'tls.crt': string;
  readonly 'tls.key': string;
  readonly 'ca.crt': string;
}

/** Reads the Secret; throws a `MeshError` that names the field which is wrong. `now` in milliseconds since 1970. */
export async function parseIssuer(secret: IssuerSecret, source: string): Promise<IssuerMaterial> {
  const signer = await parseSigner(secret['tls.crt'], secret['tls.key'], source);
  const problem = structuralProblem(signer.certificate);
  if (problem !== undefined) throw new MeshError('invalid', `${source}: the issuer in tls.crt ${problem}`);
  if (!(await isSignedByOneOf(secret['ca.crt'], signer.certificate))) {
    throw new MeshError('invalid', `${source}: no certificate in ca.crt signed the issuer in tls.crt`);
  }
  return {
    ...signer,
    chain: certificatePem(signer.certificate),
    roots: secret['ca.crt'],
    sessionKey: sessionKeyOf(secret['tls.key']),
  };
}

/** Derived (RFC 5869), so that no other Secret has to be made, granted and kept. Changes with the issuer's key. */
function sessionKeyOf(privateKey: string): Uint8Array {
  // As a number, which does not depend on how the Secret or a version of OpenSSL writes it.
  const { d } = createPrivateKey(privateKey).export({ format: 'jwk' });
  if (d === undefined) throw new MeshError('internal', 'the key of the issuer has no private part');
  return new Uint8Array(hkdfSync('sha256', Buffer.from(d, 'base64url'), '', 'weft session tokens', 32));
}

/** Whether one of these roots, all in PEM, signed the certificate. Dates do not matter. */
export async function isSignedByOneOf(roots: string, certificate: X509Certificate): Promise<boolean> {
  const parsed = decodePem('CERTIFICATE', roots).map((der) => new X509Certificate(der));
  const verified = await Promise.all(
    parsed.map(({ publicKey }) => certificate.verify({ publicKey, signatureOnly: true })),
  );
  return verified.includes(true);
}

/**
 * The trust bundle: every root once, in the order given, without those that have ended. While a root is replaced both
 * are in it, so that certificates under the old one go on being accepted.
 */
export function mergeBundle(bundles: readonly string[], now: number): string {
  const seen = new Set<string>();
  const kept: string[] = [];
  for (const der of bundles.flatMap((pem) => decodePem('CERTIFICATE', pem))) {
    const text = encodePem('CERTIFICATE', der);
    if (seen.has(text) || new X509Certificate(der).notAfter.getTime() <= now) continue;
    seen.add(text);
    kept.push(text);
  }
  return kept.join('');
}

/**
 * When to renew what is valid between these times, in milliseconds since 1970: at a point between 50 and 70 % of its
 * life, drawn at random so that many do not come at once.
 */
export function renewAt(notBefore: Date, notAfter: Date, random: () => number = Math.random): number {
  const life = notAfter.getTime() - notBefore.getTime();
  return notBefore.getTime() + life * (0.5 + 0.2 * random());
}
