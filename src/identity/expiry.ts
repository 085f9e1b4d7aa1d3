import type { Metrics, Watched } from '../base/index.js';
import type { IssuerMaterial } from './ca-bootstrap.js';
import type { OwnCertificate } from './own-certificate.js';
import { decodePem } from './pem.js';
import { X509Certificate } from './x509.js';

/** The certificates whose end an operator has to know of. */
export interface ExpiringCertificates {
  readonly issuer: Watched<IssuerMaterial | undefined>;
  /** Towards proxies; undefined until there is one. */
  readonly serving: () => OwnCertificate | undefined;
  /** Towards the API server; undefined until there is one. */
  readonly webhook: () => OwnCertificate | undefined;
}

/** Gauges of how long root, issuer and our own certificates last; below zero they have ended. */
export function watchExpiry(metrics: Metrics, { issuer, serving, webhook }: ExpiringCertificates): void {
  let roots: Date | undefined;
  const read = (material: IssuerMaterial | undefined): void => {
    roots = material === undefined ? undefined : firstEnd(material.roots);
  };
  read(issuer.current);
  issuer.subscribe(read);
  metrics.gauge(
    'weft_certificate_expiry_seconds',
    'Seconds until a certificate ends: the root that ends first, the issuer, and those that this replica serves with.',
    ['role'],
    (gauge) => {
      const ends = {
        root: roots,
        issuer: issuer.current?.certificate.notAfter,
        serving: serving()?.notAfter,
        webhook: webhook()?.notAfter,
      };
      for (const [role, end] of Object.entries(ends))
        if (end !== undefined) gauge.set({ role }, (end.getTime() - Date.now()) / 1000);
    },
  );
}

function firstEnd(pem: string): Date | undefined {
  const ends = decodePem('CERTIFICATE', pem).map((der) => new X509Certificate(der).notAfter.getTime());
  return ends.length === 0 ? undefined : new Date(Math.min(...ends));
}
