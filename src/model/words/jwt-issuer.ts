import type { PolicyRef } from './policy.js';

/** Who signs tokens for pods of its namespace. */
export interface JwtIssuer {
  readonly ref: PolicyRef;
  /** The claim `iss`. */
  readonly issuer: string;
  /** The claim `aud` names one of these. */
  readonly audiences: readonly string[];
  readonly keys: KeySource;
  readonly skewSeconds: number;
  readonly location: TokenLocation;
  readonly forwarding: 'keep' | 'remove';
}

/** Where the keys of an issuer are. */
export type KeySource =
  | { readonly kind: 'inline'; readonly keys: readonly JwtKey[] }
  | { readonly kind: 'url'; readonly url: string; readonly caBundle?: string };

/** Where a token is in a request. Names of headers are in lower case. */
export type TokenLocation =
  | { readonly kind: 'bearer' }
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

/** A public key, and the algorithms that it is for. */
export interface JwtKey {
  /** Empty: it has no name. */
  readonly id: string;
  readonly algorithms: readonly string[];
  readonly material: KeyMaterial;
}

/** What a key consists of, in base64url. Curves have uncompressed points. */
export type KeyMaterial =
  | { readonly kind: 'rsa'; readonly modulus: string; readonly exponent: string }
  | { readonly kind: 'p256' | 'p384' | 'ed25519'; readonly point: string };

/** What was fetched for an issuer. */
export interface KeySet {
  /** From where. Keys of another place are not those of an issuer that has moved. */
  readonly url: string;
  /** Absent: none that may be used. */
  readonly keys?: readonly JwtKey[];
  /** When they were last fetched, in milliseconds since 1970. */
  readonly fetchedAt?: number;
  /** Why they could not be fetched since; absent: they could. */
  readonly failure?: string;
}

/** An issuer with the keys that its tokens are verified with. */
export interface TrustedIssuer {
  readonly issuer: JwtIssuer;
  readonly keys: readonly JwtKey[];
}

/** A condition on one claim: the value at the path, or one of a list there, is one of these. */
export interface ClaimCondition {
  readonly path: readonly string[];
  readonly anyOf: readonly string[];
}
