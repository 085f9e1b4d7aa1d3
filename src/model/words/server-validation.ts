import { bundleKey } from './ca-bundle.js';
import type { PolicyRef } from './policy.js';

/** What servers outside the mesh have to prove to whoever opens TLS to them. */
export interface ServerValidation {
  /** One of these is in the certificate of a server. Empty: the name that it is asked for is. */
  readonly names: {
    readonly dns: readonly string[];
    readonly uris: readonly string[];
  };
  /** Objects with certificates of authorities, one of which has signed for the server. */
  readonly authorities: readonly AuthorityRef[];
  /** The well-known set of authorities that it names instead. */
  readonly wellKnown?: string;
}

/** An object in the namespace of the one that names it, or one that is in none. */
export interface AuthorityRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  /** Where it is named. */
  readonly field: string;
}

/** The kinds of objects that certificates of authorities are read from. */
export type AuthorityKind = 'ConfigMap' | 'ClusterTrustBundle';

/** Which of them a reference names; undefined: one that is not read. */
export function authorityKind({ group, kind }: Omit<AuthorityRef, 'field'>): AuthorityKind | undefined {
  if (group === '' && kind === 'ConfigMap') return kind;
  return group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle' ? kind : undefined;
}

/** What `CaBundle`s are known by: the bundle that a reference of an object names. */
export function bundleNamed(
  { ref }: { readonly ref: Pick<PolicyRef, 'namespace'> },
  authority: AuthorityRef,
): string | undefined {
  const kind = authorityKind(authority);
  if (kind === undefined) return undefined;
  return bundleKey({ namespace: kind === 'ConfigMap' ? ref.namespace : '', name: authority.name });
}

/** Whether some of its authorities are in ConfigMaps of its namespace. */
export function namesConfigMap({ authorities }: Pick<ServerValidation, 'authorities'>): boolean {
  return authorities.some((authority) => authorityKind(authority) === 'ConfigMap');
}
