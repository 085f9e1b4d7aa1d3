import { createHash } from 'node:crypto';
import { derElements, insideDer, type DerElement } from './der.js';
import { decodeOnlyPem, decodePem, encodePem } from './pem.js';
import { X509Certificate } from './x509.js';

/** SHA-256 of a certificate in PEM, in lower-case hexadecimal: what proxies call it as well. */
export function fingerprintOf(certificate: string): string {
  return fingerprintOfDer(decodeOnlyPem('CERTIFICATE', certificate, 'the certificate'));
}

/** Of every certificate of a bundle, in its order. */
export function fingerprintsOf(bundle: string): readonly string[] {
  return decodePem('CERTIFICATE', bundle).map(fingerprintOfDer);
}

/** Fingerprint of the root, among those of a bundle, that signed the certificate. */
export async function signerIn(bundle: string, certificate: string): Promise<string | undefined> {
  const signed = new X509Certificate(decodeOnlyPem('CERTIFICATE', certificate, 'the certificate'));
  for (const der of decodePem('CERTIFICATE', bundle)) {
    const { publicKey } = new X509Certificate(der);
    if (await signed.verify({ publicKey, signatureOnly: true })) return fingerprintOfDer(der);
  }
  return undefined;
}

/** What the certificates that an issuer signs call its key, in hexadecimal (RFC 5280 4.2.1.1); the issuer is given in PEM. */
export function keyIdOf(issuer: string): string {
  const { publicKey } = new X509Certificate(decodeOnlyPem('CERTIFICATE', issuer, 'the issuer'));
  // The point of a key on P-256, the only curve that issuers have, is the end of its encoding.
  return createHash('sha1').update(new Uint8Array(publicKey.rawData).subarray(-65)).digest('hex');
}

const Tag = { objectId: 0x06, octets: 0x04, extensions: 0xa3, keyId: 0x80 } as const;
/** 2.5.29.35, `authorityKeyIdentifier`. */
const SIGNER_KEY = Buffer.from('551d23', 'hex');

/** The same, from a certificate in DER that was verified before: who signed it. Undefined where it does not say. */
export function signerKeyIdOf(certificate: Uint8Array): string | undefined {
  const [body] = insideDer(certificate);
  const extensions = derElements(body?.value).find(({ tag }) => tag === Tag.extensions);
  const signer = insideDer(extensions?.value)
    .map(({ value }) => derElements(value))
    .find(isSignerKey);
  const said = insideDer(signer?.find(({ tag }) => tag === Tag.octets)?.value);
  const keyId = said.find(({ tag }) => tag === Tag.keyId);
  return keyId && Buffer.from(keyId.value).toString('hex');
}

function isSignerKey([id]: readonly DerElement[]): boolean {
  return id?.tag === Tag.objectId && SIGNER_KEY.equals(id.value);
}

/** The bundle without the root that has this fingerprint. */
export function withoutRoot(bundle: string, fingerprint: string): string {
  return decodePem('CERTIFICATE', bundle)
    .filter((der) => fingerprintOfDer(der) !== fingerprint)
    .map((der) => encodePem('CERTIFICATE', der))
    .join('');
}

function fingerprintOfDer(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('hex');
}
