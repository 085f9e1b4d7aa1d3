import type { IssuerMaterial } from './ca-bootstrap.js';
import { fingerprintOf, fingerprintsOf } from './fingerprint.js';
import { decodePem } from './pem.js';
import { X509Certificate } from './x509.js';

/** What a certificate says of itself to anybody who sees it. */
export interface CertificateLife {
  readonly subject: string;
  /** Lower-case hexadecimal. */
  readonly sha256: string;
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The certificates that those of workloads stand on. */
export interface AuthorityLives {
  readonly issuer: CertificateLife;
  /** All that are trusted. */
  readonly roots: readonly CertificateLife[];
}

/** Of what is signed with, and of what is trusted, the certificates without their keys. */
export function livesOf({ chain, certificate, roots }: IssuerMaterial): AuthorityLives {
  const prints = fingerprintsOf(roots);
  return {
    issuer: lifeOf(certificate, fingerprintOf(chain)),
    roots: decodePem('CERTIFICATE', roots).map((der, at) =>
      lifeOf(new X509Certificate(der), prints[at] ?? ''),
    ),
  };
}

function lifeOf({ subject, notBefore, notAfter }: X509Certificate, sha256: string): CertificateLife {
  return { subject, sha256, notBefore: notBefore.getTime(), notAfter: notAfter.getTime() };
}
