import type { ClaimCondition } from './jwt-issuer.js';
import type { PolicyRef } from './policy.js';

/** What holds for a request that no binding decides about, from the most open to the strictest. */
export type AccessDefault = 'allow' | 'wouldDeny' | 'deny';

/** A set of requests to pods of its namespace. */
export interface MeshRole {
  readonly ref: PolicyRef;
  readonly rules: readonly RoleRule[];
}

/** All that is given must hold. */
export interface RoleRule extends RequestConditions {
  /** Names of Services of the role's namespace; absent: every pod of it. */
  readonly services?: readonly string[];
  /** Of the Services or, without these, of the pods; absent: every port. */
  readonly ports?: readonly number[];
}

/** What a rule asks about requests; absent: nothing. */
export interface RequestConditions {
  readonly methods?: readonly string[];
  /** As on the wire. gRPC methods are among them. */
  readonly paths?: readonly string[];
  /** Names in lower case. */
  readonly headers?: readonly AccessHeader[];
}

export interface AccessHeader {
  readonly name: string;
  readonly condition:
    { readonly kind: 'exact' | 'prefix'; readonly value: string } | { readonly kind: 'present' };
}

/** Who may ask what a role lists, or who may not. */
export interface MeshRoleBinding {
  readonly ref: PolicyRef;
  /** Name of a role of its namespace. `undefined`: it cannot be read, and stands for everything. */
  readonly role: string | undefined;
  readonly effect: 'allow' | 'deny';
  readonly mode: 'enforce' | 'dryRun';
  /** Any of them. */
  readonly subjects: readonly AccessSubject[];
}

/** A kind of caller: all conditions hold. */
export type AccessSubject = readonly AccessCondition[];

export type AccessCondition = CallerCondition & { readonly inverted?: true };

export type CallerCondition =
  | { readonly kind: 'anyone' | 'authenticated' | 'unauthenticated' }
  | {
      readonly kind: 'serviceAccount';
      /** Absent: that of the mesh. */
      readonly trustDomain?: string;
      readonly namespace: string;
      readonly name: string;
    }
  | { readonly kind: 'namespace'; readonly trustDomain?: string; readonly name: string }
  | { readonly kind: 'trustDomain'; readonly name: string }
  | { readonly kind: 'ipBlock'; readonly address: string; readonly length: number }
  | {
      readonly kind: 'jwt';
      /** The claim `iss`. */
      readonly issuer: string;
      /** All of them hold. */
      readonly claims: readonly ClaimCondition[];
    };

/** Whether a kind of caller is told by the token of a request, which connections and bytes do not have. */
export function asksForTokens(subject: AccessSubject): boolean {
  return subject.some(({ kind }) => kind === 'jwt');
}

/** Whether a rule asks about requests, which bytes are not. */
export function asksAboutRequests({ methods, paths, headers }: RequestConditions): boolean {
  return methods !== undefined || paths !== undefined || headers !== undefined;
}
