import {
  createIssuer,
  createRoot,
  issueCertificate,
  parseIssuer,
  type CaMaterial,
  type IssuerMaterial,
  type OwnCertificate,
} from '../identity/index.js';

/** A CA of its own for each test: real keys, real signatures, nothing checked in. */
export interface TestCa {
  readonly root: CaMaterial;
  readonly issuer: IssuerMaterial;
  /** PEM of the root. */
  readonly roots: string;
  /** A certificate and key under this name, e.g. `spiffe://cluster.local/ns/shop/sa/web`. */
  certificate(uri: string, now?: number): Promise<OwnCertificate>;
}

/** `now` in milliseconds since 1970: a CA made in the past has ended by today. */
export async function testCa(trustDomain = 'cluster.local', now = Date.now()): Promise<TestCa> {
  const root = await createRoot(trustDomain, now);
  const made = await createIssuer(root, trustDomain, now);
  const issuer = await parseIssuer(
    { 'tls.crt': made.certificate, 'tls.key': made.privateKey, 'ca.crt': root.certificate },
    'test',
  );
  return {
    root,
    issuer,
    roots: root.certificate,
    certificate: async (uri, at = Date.now()) => issueCertificate(issuer, { uri }, at),
  };
}
