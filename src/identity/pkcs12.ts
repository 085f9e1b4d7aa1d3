import { MeshError } from '../base/index.js';
import { encodePem } from './pem.js';

/** What is in a PKCS#12 file, in PEM and in its order. */
export interface Pkcs12 {
  readonly certificates: readonly string[];
  /** PKCS#8. */
  readonly privateKeys: readonly string[];
}

/** Ciphers of PKCS#12 itself, 1.2.840.113549.1.12.1.x: RC2, RC4 and triple DES. Their names lie open in the file. */
const LEGACY_CIPHERS = Buffer.from('060a2a864886f70d010c01', 'hex');

/** Hours of work would pass for a file: OpenSSL writes 2,048 iterations, and nobody needs a thousand times as many. */
const MAX_BYTES = 1024 * 1024;

/**
 * Reads a PKCS#12 file as OpenSSL 3 and others write it (AES, PBKDF2). Nothing of it is trusted yet. Throws `invalid` where it
 * cannot be read, saying what to do; `source` names it there.
 */
export async function readPkcs12(file: Uint8Array, password: string, source: string): Promise<Pkcs12> {
  const bytes = Buffer.from(file);
  if (bytes.length > MAX_BYTES) throw new MeshError('invalid', `${source}: is larger than 1 MiB`);
  if (bytes.includes(LEGACY_CIPHERS)) {
    throw new MeshError(
      'invalid',
      `${source}: is encrypted with RC2 or triple DES, which are broken; write it again with AES: openssl pkcs12 -legacy -in OLD -nodes -out ca.pem && openssl pkcs12 -export -in ca.pem -out NEW`,
    );
  }
  // Loaded by those only who import a CA; the control plane does without it.
  const { default: forge } = await import('node-forge');
  const { asn1, pki, pkcs12 } = forge;
  const pem = (label: string, value: Parameters<typeof asn1.toDer>[0]): string =>
    encodePem(label, Buffer.from(asn1.toDer(value).getBytes(), 'binary'));
  try {
    const { safeContents } = pkcs12.pkcs12FromAsn1(asn1.fromDer(bytes.toString('binary')), true, password);
    const bags = safeContents.flatMap(({ safeBags }) => safeBags);
    const certificates = bags
      .filter(({ type }) => type === pki.oids.certBag)
      .flatMap(({ cert, asn1: raw }) => raw ?? (cert ? pki.certificateToAsn1(cert) : []));
    const privateKeys = bags
      .filter(({ type }) => type === pki.oids.keyBag || type === pki.oids.pkcs8ShroudedKeyBag)
      .flatMap(({ key, asn1: raw }) => raw ?? (key ? pki.wrapRsaPrivateKey(pki.privateKeyToAsn1(key)) : []));
    return {
      certificates: certificates.map((value) => pem('CERTIFICATE', value)),
      privateKeys: privateKeys.map((value) => pem('PRIVATE KEY', value)),
    };
  } catch (cause) {
    throw unreadable(cause, source);
  }
}

function unreadable(cause: unknown, source: string): MeshError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const text = /password/i.test(why)
    ? 'cannot be decrypted: the password is wrong, or the file is damaged'
    : `cannot be read as PKCS#12 (${why}); openssl pkcs12 -info -in FILE shows whether it can`;
  return new MeshError('invalid', `${source}: ${text}`, { cause });
}
