import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** Of a server that tests start. */
export interface ServerCertificate {
  readonly key: string;
  readonly certificate: string;
  /** Who has signed it: it has done so itself. */
  readonly authority: string;
}

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A certificate for these names, of an authority that nobody else has. */
export async function aServerCertificate(names: readonly string[]): Promise<ServerCertificate> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=keys',
    keys,
    signingAlgorithm: KEY,
    extensions: [
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
      new x509.BasicConstraintsExtension(true),
    ],
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  const certificate = made.toString('pem');
  return { key, certificate, authority: certificate };
}
