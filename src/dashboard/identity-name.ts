/** The parts of `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`. */
export interface IdentityName {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
}

/** Undefined for anything that is no identity of a service account. */
export function parseIdentity(identity: string): IdentityName | undefined {
  const match = /^spiffe:\/\/([^/]+)\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(identity);
  if (match === null) return undefined;
  const [, trustDomain = '', namespace = '', serviceAccount = ''] = match;
  return { trustDomain, namespace, serviceAccount };
}

/** What a person reads: `<namespace>/<service account>`, or the whole where it has another form. */
export function shortIdentity(identity: string): string {
  const name = parseIdentity(identity);
  return name === undefined ? identity : `${name.namespace}/${name.serviceAccount}`;
}
