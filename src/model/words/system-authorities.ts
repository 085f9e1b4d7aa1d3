import { X509Certificate } from 'node:crypto';
import { rootCertificates } from 'node:tls';

let read: readonly Uint8Array[] | undefined;

/**
 * The authorities (DER) that the web trusts, by Mozilla's list as it is compiled into the Node that runs. Neither files nor the
 * environment of the control plane add to it. One list for all: do not change it.
 */
export function systemAuthorities(): readonly Uint8Array[] {
  read ??= rootCertificates.map((pem) => new Uint8Array(new X509Certificate(pem).raw));
  return read;
}
