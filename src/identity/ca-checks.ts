import {
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  type X509Certificate,
} from './x509.js';

/** Why this certificate can sign no leaf, whatever the time; undefined: it can. Continues a sentence that names it. */
export function structuralProblem(certificate: X509Certificate): string | undefined {
  const constraints = certificate.getExtension(BasicConstraintsExtension);
  if (constraints?.ca !== true)
    return 'is not a CA (basicConstraints CA:TRUE is missing); give an intermediate CA, not the certificate of a server';
  const usages = certificate.getExtension(KeyUsagesExtension);
  if (usages !== null && (usages.usages & KeyUsageFlags.keyCertSign) === 0)
    return 'must not sign certificates (keyUsage lacks keyCertSign)';
  return undefined;
}
