/** A workload's name: `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export interface SpiffeId {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

const TRUST_DOMAIN = '[a-z0-9](?:[a-z0-9._-]{0,253}[a-z0-9])?';
/** A namespace is a DNS label, a service account a DNS subdomain. */
const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SUBDOMAIN = '[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?';
const SPIFFE_URI = new RegExp(`^spiffe://(${TRUST_DOMAIN})/ns/(${LABEL})/sa/(${SUBDOMAIN})$`);

export function formatSpiffeId(id: SpiffeId): string {
  return `spiffe://${id.trustDomain}/ns/${id.namespace}/sa/${id.serviceAccount}`;
}

/** Undefined: not a name of this form. There is one spelling of each name, so texts may be compared. */
export function parseSpiffeId(uri: string): SpiffeId | undefined {
  const [, trustDomain, namespace, serviceAccount] = SPIFFE_URI.exec(uri) ?? [];
  if (trustDomain === undefined || namespace === undefined || serviceAccount === undefined) return undefined;
  return { trustDomain, namespace, serviceAccount };
}

/**
 * The identity of a certificate, from the text Node makes of its subject alternative names. Undefined unless it holds
 * exactly one name, and that is a SPIFFE URI; the certificate's chain must have been verified already.
 */
export function spiffeIdOfSan(subjectAltName: string | undefined): SpiffeId | undefined {
  const uri = /^URI:(.*)$/.exec(subjectAltName ?? '')?.[1];
  return uri === undefined ? undefined : parseSpiffeId(uri);
}
