import { MeshError } from '../base/index.js';
import { certificatePem, issueCa, parseCertificate, parseSigner, type Signer } from './issue.js';
import { exportPrivateKey, generateKeyPair } from './keys.js';
import { decodePem, encodePem } from './pem.js';
import { X509Certificate } from './x509.js';

const DAY_MS = 24 * 3_600_000;
const ROOT_LIFE_MS = 3_652 * DAY_MS;
const ISSUER_LIFE_MS = 365 * DAY_MS;

/** A CA as it lies in a Secret, all in PEM. */
export interface CaMaterial {
  readonly certificate: string;
  /** PKCS#8. */
  readonly privateKey: string;
}

/** A new root, valid for ten years. Only the leader needs its key, and only to sign an issuer. */
export async function createRoot(trustDomain: string, now: number): Promise<CaMaterial> {
  const keys = await generateKeyPair();
  const request = {
    name: `Weft root of ${trustDomain}`,
    publicKey: keys.publicKey,
    lifeMs: ROOT_LIFE_MS,
    pathLength: undefined,
    now,
  };
  const certificate = await issueCa({ privateKey: keys.privateKey }, request);
  return { certificate: certificatePem(certificate), privateKey: await exportPrivateKey(keys.privateKey) };
}

/** A new issuer, valid for one year or as long as its root; it can sign leaves only. */
export async function createIssuer(root: CaMaterial, trustDomain: string, now: number): Promise<CaMaterial> {
  const parent = await parseSigner(root.certificate, root.privateKey, 'the root');
  const keys = await generateKeyPair();
  const request = {
    name: `Weft issuer of ${trustDomain}`,
    publicKey: keys.publicKey,
    lifeMs: ISSUER_LIFE_MS,
    pathLength: 0,
    now,
  };
  const certificate = await issueCa(parent, request);
  return { certificate: certificatePem(certificate), privateKey: await exportPrivateKey(keys.privateKey) };
}

/** What the authority signs with, and what everybody trusts. Kept in Secret `weft-issuer`. */
export interface IssuerMaterial extends Signer {
  /** PEM of the issuer's certificate: goes behind each leaf. */
  readonly chain: string;
  /** PEM of all roots that are trusted; the issuer's own is among them. */
  readonly roots: string;
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
  const roots = decodePem('CERTIFICATE', secret['ca.crt']).map((der) => new X509Certificate(der));
  const verified = await Promise.all(
    roots.map((root) => signer.certificate.verify({ publicKey: root.publicKey, signatureOnly: true })),
  );
  if (!verified.includes(true)) {
    throw new MeshError('invalid', `${source}: no certificate in ca.crt signed the issuer in tls.crt`);
  }
  return { ...signer, chain: certificatePem(signer.certificate), roots: secret['ca.crt'] };
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

/** What the leader must do about the CA now. */
export type TrustStep =
  | { readonly kind: 'none'; readonly renewAt: number }
  | { readonly kind: 'create-root'; readonly why: string }
  | { readonly kind: 'create-issuer'; readonly why: string };

/**
 * Decides from the certificates in the Secrets; undefined: there is none. An issuer is renewed at 60 % of its life:
 * no draw here, because every call must come to the same answer. An expired root means starting over.
 */
export function nextTrustStep(root: string | undefined, issuer: string | undefined, now: number): TrustStep {
  if (root === undefined) return { kind: 'create-root', why: 'there is no root yet' };
  const rootCertificate = parseCertificate(root, 'the root');
  if (rootCertificate.notAfter.getTime() <= now)
    return { kind: 'create-root', why: `the root ended at ${rootCertificate.notAfter.toISOString()}` };
  if (issuer === undefined) return { kind: 'create-issuer', why: 'there is no issuer yet' };
  const certificate = parseCertificate(issuer, 'the issuer');
  const at = renewAt(certificate.notBefore, certificate.notAfter, () => 0.5);
  if (now < at) return { kind: 'none', renewAt: at };
  // A root at its own end cannot give the issuer a longer life than it has.
  if (certificate.notAfter >= rootCertificate.notAfter)
    return { kind: 'none', renewAt: certificate.notAfter.getTime() };
  return {
    kind: 'create-issuer',
    why: `the issuer of ${certificate.notBefore.toISOString()} has lived more than 60 % of its life`,
  };
}
