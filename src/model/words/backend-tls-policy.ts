import { bundleKey } from './ca-bundle.js';
import type { PolicyRef } from './policy.js';

/** A BackendTLSPolicy on Services: who sends requests there speaks TLS. Read from its object. */
export interface BackendTlsPolicy {
  readonly ref: PolicyRef & { readonly kind: 'BackendTLSPolicy' };
  readonly targets: readonly BackendTlsTarget[];
  /** What servers are asked for, and prove where there are no `names`. */
  readonly hostname: string;
  /** One of these is in the certificate of a server. Empty: the host name is. */
  readonly names: {
    readonly dns: readonly string[];
    readonly uris: readonly string[];
  };
  /** Objects with certificates of authorities, one of which has signed for the server. */
  readonly authorities: readonly AuthorityRef[];
  /** The well-known set of authorities that it names instead. */
  readonly wellKnown?: string;
}

/** A Service in the policy's own namespace. */
export interface BackendTlsTarget {
  readonly namespace: string;
  readonly name: string;
  /** Name of a port; absent: every port that no other policy names. */
  readonly section?: string;
  /** Where the policy says so. */
  readonly field: string;
}

/** An object in the policy's own namespace, or one that is in none. */
export interface AuthorityRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  /** Where the policy says so. */
  readonly field: string;
}

/** The kinds of objects that certificates of authorities are read from. */
export type AuthorityKind = 'ConfigMap' | 'ClusterTrustBundle';

/** Which of them a reference names; undefined: one that is not read. */
export function authorityKind({ group, kind }: AuthorityRef): AuthorityKind | undefined {
  if (group === '' && kind === 'ConfigMap') return kind;
  return group === 'certificates.k8s.io' && kind === 'ClusterTrustBundle' ? kind : undefined;
}

/** What `CaBundle`s are known by: the bundle that a reference of a policy names. */
export function bundleNamed(
  policy: Pick<BackendTlsPolicy, 'ref'>,
  authority: AuthorityRef,
): string | undefined {
  const kind = authorityKind(authority);
  if (kind === undefined) return undefined;
  return bundleKey({ namespace: kind === 'ConfigMap' ? policy.ref.namespace : '', name: authority.name });
}
