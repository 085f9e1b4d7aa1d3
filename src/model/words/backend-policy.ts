import type { PolicyRef } from './policy.js';
import type { Problem } from './problem.js';
import type { Session } from './session.js';
import type { Budget } from './resilience.js';

/** An XBackendTrafficPolicy on Services, read from its object. */
export interface BackendPolicy {
  readonly ref: PolicyRef & { readonly kind: 'XBackendTrafficPolicy' };
  readonly targets: readonly BackendTarget[];
  /** Of what is sent again to each target; absent: it says nothing of that, or cannot act. */
  readonly budget?: Budget;
  /** How sessions with each target are kept; absent as above. */
  readonly session?: Session;
  /** What the object shows by itself; with any it does not act. */
  readonly problems: readonly Problem[];
}

/** A Service that requests go to, in the policy's own namespace. */
export interface BackendTarget {
  readonly namespace: string;
  readonly name: string;
  /** Where the user wrote it, such as `spec.targetRefs[0]`. */
  readonly field: string;
}
