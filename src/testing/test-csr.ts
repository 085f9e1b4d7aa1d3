import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from '../identity/x509.js';

export interface TestCsr {
  readonly uri?: string;
  readonly dns?: string;
  readonly ip?: string;
  /** Such as `CN=web`. */
  readonly subject?: string;
  /** Default P-256. */
  readonly curve?: 'P-256' | 'P-384';
  /** RSA instead of a curve. */
  readonly rsa?: boolean;
}

const HASH = 'SHA-256';

/** A PKCS#10 request in DER with a fresh key, as a proxy makes it, or as it should not. */
export async function testCsr(values: TestCsr = {}): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm =
    values.rsa === true
      ? { name: 'RSASSA-PKCS1-v1_5', hash: HASH, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) }
      : { name: 'ECDSA', namedCurve: values.curve ?? 'P-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names = [
    ...(values.uri === undefined ? [] : [{ type: 'url' as const, value: values.uri }]),
    ...(values.dns === undefined ? [] : [{ type: 'dns' as const, value: values.dns }]),
    ...(values.ip === undefined ? [] : [{ type: 'ip' as const, value: values.ip }]),
  ];
  const csr = await Pkcs10CertificateRequestGenerator.create({
    name: values.subject ?? '',
    keys,
    signingAlgorithm: { name: algorithm.name, hash: HASH },
    extensions: names.length === 0 ? [] : [new SubjectAlternativeNameExtension(names)],
  });
  return new Uint8Array(csr.rawData);
}
