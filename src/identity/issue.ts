import { createPublicKey } from 'node:crypto';
import { MeshError } from '../base/index.js';
import { fingerprintOf } from './fingerprint.js';
import { importPrivateKey } from './keys.js';
import { decodeOnlyPem, encodePem } from './pem.js';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type Extension,
} from './x509.js';

/** Clocks of nodes differ a little: certificates are valid from this long ago. */
export const BACKDATE_MS = 60_000;

/** Life of what a proxy or a server holds. */
export const LEAF_LIFE_MS = 24 * 3_600_000;

const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;

/** A certificate and the key to sign with: an issuer, or a root. */
export interface Signer {
  readonly certificate: X509Certificate;
  readonly privateKey: CryptoKey;
}

/** `source` names where the texts come from in errors, e.g. `Secret weft-system/weft-issuer`. */
export async function parseSigner(certificatePem: string, keyPem: string, source: string): Promise<Signer> {
  const certificate = parseCertificate(certificatePem, `${source}, certificate`);
  const privateKey = await importPrivateKey(keyPem, `${source}, key`);
  const derived = createPublicKey(keyPem).export({ type: 'spki', format: 'der' });
  if (!derived.equals(new Uint8Array(certificate.publicKey.rawData))) {
    throw new MeshError('invalid', `${source}: the private key does not belong to the certificate`);
  }
  return { certificate, privateKey };
}

export function parseCertificate(pem: string, what: string): X509Certificate {
  const der = decodeOnlyPem('CERTIFICATE', pem, what);
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new MeshError('invalid', `${what}: not an X.509 certificate`, { cause });
  }
}

/** Name, end and fingerprint of a certificate in PEM, for people. */
export function describeCertificate(pem: string): string {
  const certificate = parseCertificate(pem, 'the certificate');
  const until = certificate.notAfter.toISOString().slice(0, 10);
  return `"${certificate.subject}", valid until ${until}, SHA-256 ${fingerprintOf(pem)}`;
}

/** When a certificate in PEM was issued, in milliseconds since 1970, as far as it shows: it is valid from a little before. */
export function validSince(pem: string): number {
  return parseCertificate(pem, 'the certificate').notBefore.getTime() + BACKDATE_MS;
}

export function certificatePem(certificate: X509Certificate): string {
  return encodePem('CERTIFICATE', new Uint8Array(certificate.rawData));
}

/** What a leaf certifies: one SPIFFE URI for a workload, or DNS names for a web server such as the webhook's. */
export type LeafName = { readonly uri: string } | { readonly dns: readonly string[] };

/**
 * A leaf for this public key: no subject, and therefore a critical SAN; a random 128-bit serial. It lasts `lifeMs` from `now`, by
 * default `LEAF_LIFE_MS`, and never longer than its issuer. `now` in milliseconds since 1970.
 */
export async function issueLeaf(
  issuer: Signer,
  { lifeMs = LEAF_LIFE_MS, ...name }: LeafName & { readonly lifeMs?: number },
  publicKey: CryptoKey,
  now: number,
): Promise<X509Certificate> {
  const ends = issuer.certificate.notAfter.getTime();
  if (now >= ends) {
    throw new MeshError(
      'unavailable',
      `the issuer's certificate expired at ${issuer.certificate.notAfter.toISOString()}; it must be renewed first`,
    );
  }
  const names =
    'uri' in name
      ? [{ type: 'url' as const, value: name.uri }]
      : name.dns.map((value) => ({ type: 'dns' as const, value }));
  return X509CertificateGenerator.create({
    issuer: issuer.certificate.subjectName,
    signingKey: issuer.privateKey,
    publicKey,
    notBefore: new Date(Math.max(now - BACKDATE_MS, issuer.certificate.notBefore.getTime())),
    notAfter: new Date(Math.min(now + lifeMs, ends)),
    signingAlgorithm: SIGNATURE,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
      new SubjectAlternativeNameExtension(names, true),
      await AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
    ],
  });
}

export interface CaRequest {
  /** Common name of the subject. */
  readonly name: string;
  readonly publicKey: CryptoKey;
  readonly lifeMs: number;
  /** How many CAs may follow below; 0: leaves only. Undefined: no limit. */
  readonly pathLength: number | undefined;
  readonly now: number;
}

/** A CA certificate: self-signed when `parent` is only its own private key, otherwise signed by `parent`. */
export async function issueCa(
  parent: Signer | { readonly privateKey: CryptoKey },
  request: CaRequest,
): Promise<X509Certificate> {
  const subject = [{ CN: [request.name] }];
  const signed = 'certificate' in parent ? parent.certificate : undefined;
  const parentEnds = signed?.notAfter.getTime() ?? Number.POSITIVE_INFINITY;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(true, request.pathLength, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(request.publicKey),
  ];
  if (signed !== undefined) extensions.push(await AuthorityKeyIdentifierExtension.create(signed.publicKey));
  return X509CertificateGenerator.create({
    subject,
    issuer: signed?.subjectName ?? subject,
    signingKey: parent.privateKey,
    publicKey: request.publicKey,
    notBefore: new Date(request.now - BACKDATE_MS),
    notAfter: new Date(Math.min(request.now + request.lifeMs, parentEnds)),
    signingAlgorithm: SIGNATURE,
    extensions,
  });
}
