import type { PolicyRef } from './policy.js';

/** A BackendTLSPolicy on Services: who sends requests there speaks TLS. Read from its object. */
export interface BackendTlsPolicy {
  readonly ref: PolicyRef & { readonly kind: 'BackendTLSPolicy' };
  readonly targets: readonly BackendTlsTarget[];
  /** What it says to trust, in words: `ConfigMap ca`, or `System` of the well-known ones. */
  readonly trusts: readonly string[];
  /** It names objects with certificates, and no well-known set. */
  readonly byReference: boolean;
}

/** A Service in the policy's own namespace. */
export interface BackendTlsTarget {
  readonly namespace: string;
  readonly name: string;
  /** Name of a port; absent: every port that no other policy names. */
  readonly section?: string;
}
