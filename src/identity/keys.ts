import { MeshError } from '../base/index.js';
import { decodeOnlyPem, encodePem } from './pem.js';

/** Keys and signatures of the mesh: ECDSA on P-256 with SHA-256. */
const P256 = { name: 'ECDSA', namedCurve: 'P-256' } as const;

export async function generateKeyPair(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(P256, true, ['sign', 'verify']);
}

/** PKCS#8 in PEM. */
export async function exportPrivateKey(key: CryptoKey): Promise<string> {
  return encodePem('PRIVATE KEY', new Uint8Array(await crypto.subtle.exportKey('pkcs8', key)));
}

/** `what` names the text in the error, e.g. `Secret weft-system/weft-issuer, key tls.key`. */
export async function importPrivateKey(pem: string, what: string): Promise<CryptoKey> {
  const der = decodeOnlyPem('PRIVATE KEY', pem, what);
  try {
    return await crypto.subtle.importKey('pkcs8', der, P256, true, ['sign']);
  } catch (cause) {
    throw new MeshError('invalid', `${what}: not an ECDSA P-256 key in PKCS#8`, { cause });
  }
}

/** From a SubjectPublicKeyInfo; throws for everything that is not a point on P-256. */
export async function importPublicKey(spki: ArrayBuffer): Promise<CryptoKey> {
  return crypto.subtle.importKey('spki', spki, P256, true, ['verify']);
}
