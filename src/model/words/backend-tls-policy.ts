import type { PolicyRef } from './policy.js';
import type { ServerValidation } from './server-validation.js';

/** A BackendTLSPolicy on Services: who sends requests there speaks TLS. Read from its object. */
export interface BackendTlsPolicy extends ServerValidation {
  readonly ref: PolicyRef & { readonly kind: 'BackendTLSPolicy' };
  readonly targets: readonly BackendTlsTarget[];
  /** What servers are asked for, and prove where there are no `names`. */
  readonly hostname: string;
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
