import type { TrustedIssuer } from './jwt-issuer.js';
import type { CountedClaim } from './rate-limit.js';
import type { AccessCondition, AccessDefault, RequestConditions } from './access.js';

/** What the proxy of a pod is told about access. */
export interface AccessConfig {
  readonly default: AccessDefault;
  /** `<namespace>/<name>`, to which grants refer by place. */
  readonly bindings: readonly string[];
  /** Each occurs once. */
  readonly permissions: readonly AccessPermission[];
  /** Each occurs once. */
  readonly subjects: readonly GrantedSubject[];
  /** Issuers that subjects or limits name. Absent: they name none. */
  readonly jwtIssuers?: readonly TrustedIssuer[];
  /** Claims of their tokens by which limits count, to which these refer by place. Absent: none does. */
  readonly countedClaims?: readonly CountedClaim[];
}

export interface AccessPermission extends RequestConditions {
  /** Of the pod; empty: every port. */
  readonly ports: readonly number[];
}

export interface GrantedSubject {
  /** With every trust domain written out. */
  readonly allOf: readonly AccessCondition[];
  readonly grants: readonly AccessGrant[];
}

/** Places count from zero. */
export interface AccessGrant {
  readonly permission: number;
  readonly binding: number;
  readonly effect: 'allow' | 'deny';
  readonly mode: 'enforce' | 'dryRun';
}
