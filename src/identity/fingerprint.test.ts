import { expect, test } from '@jest/globals';
import { X509Certificate } from 'node:crypto';
import { testCa } from '../testing/test-ca.js';
import { keyIdOf, signerKeyIdOf } from './fingerprint.js';
import { AuthorityKeyIdentifierExtension, X509Certificate as Parsed } from './x509.js';

const WEB = 'spiffe://cluster.local/ns/shop/sa/web';

test('who signed a certificate is read of it as the X.509 library reads it, and is the key of the issuer', async () => {
  const ca = await testCa();
  const der = derOf((await ca.certificate(WEB)).chain);
  const library = new Parsed(der).getExtension(AuthorityKeyIdentifierExtension)?.keyId;
  expect(signerKeyIdOf(der)).toBe(keyIdOf(ca.issuer.chain));
  expect(signerKeyIdOf(der)).toBe(library);
});

test('a certificate that is cut anywhere, or has any byte changed, throws nothing, and a cut one names no signer', async () => {
  const der = derOf((await (await testCa()).certificate(WEB)).chain);
  for (let at = 0; at < der.length; at += 1) {
    expect(signerKeyIdOf(der.subarray(0, at))).toBeUndefined();
    for (const value of [0x00, 0x1f, 0x7f, 0x80, 0x83, 0x84, 0xff])
      expect((signerKeyIdOf(der.with(at, value)) ?? '').length).toBeLessThan(2 * der.length);
  }
});

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(new X509Certificate(pem).raw);
}
