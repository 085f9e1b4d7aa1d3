import type { Mesh } from '../tables/mesh.js';
import { certificatesIn } from '../words/ca-bundle.js';
import type { PolicyRef } from '../words/policy.js';
import {
  type AuthorityKind,
  authorityKind,
  type AuthorityRef,
  bundleNamed,
  type ServerValidation,
} from '../words/server-validation.js';
import { systemAuthorities } from '../words/system-authorities.js';

/** An object that says what servers have to prove. */
export interface Validating {
  readonly ref: Pick<PolicyRef, 'namespace'>;
  readonly validation: ServerValidation;
  /** Where it says so. */
  readonly field: string;
}

/** Who may sign for servers, and what of it cannot be used. */
export interface TrustedAuthorities {
  /** Certificates (DER). */
  readonly authorities: readonly Uint8Array[];
  /** Why there are none, so that nobody can be verified. */
  readonly refused?: string;
  readonly problems: readonly AuthorityProblem[];
}

/** A reference to certificates that cannot be used, in the words of Gateway API. */
export interface AuthorityProblem {
  readonly reason: 'InvalidKind' | 'InvalidCACertificateRef';
  readonly field: string;
  /** Without the field. */
  readonly text: string;
}

/** Bytes of certificates that an object may name: the list of the web takes half of it. A destination holds three such lists. */
const MOST_BYTES = 256 * 1024;

/** Where nobody can verify anything it is demanded all the same: then nothing is sent (GEP-1897). */
export function trustedAuthorities(mesh: Mesh, validating: Validating): TrustedAuthorities {
  const { validation, field } = validating;
  const read = validation.authorities.map((authority) => readAuthority(mesh, validating, authority));
  const found = validation.wellKnown === SYSTEM ? systemAuthorities() : read.flatMap(certificatesOf);
  const bytes = found.reduce((total, { length }) => total + length, 0);
  const authorities = bytes > MOST_BYTES ? [] : found;
  const problems = [
    ...read.flatMap(({ problem }) => problem ?? []),
    ...(bytes > MOST_BYTES ? [tooMany(`${field}.caCertificateRefs`, bytes)] : []),
  ];
  const refused = refusal(validating, problems, authorities);
  return refused === undefined ? { authorities, problems } : { authorities: [], refused, problems };
}

/** As a status or an answer says it. */
export function problemText({ field, text }: AuthorityProblem): string {
  return `${field}: ${text}`;
}

/** The one well-known set that Gateway API defines. */
const SYSTEM = 'System';

function refusal(
  { validation: { wellKnown, authorities: named }, field }: Validating,
  problems: readonly AuthorityProblem[],
  authorities: readonly Uint8Array[],
): string | undefined {
  if (wellKnown !== undefined && wellKnown !== SYSTEM) return notWellKnown(field, wellKnown);
  if (wellKnown !== undefined && named.length > 0)
    return `${field}: both wellKnownCACertificates and caCertificateRefs are set; remove one of them`;
  if (authorities.length > 0) return undefined;
  return problems.map(problemText).join('; ') || 'it names no certificate authority';
}

function notWellKnown(field: string, name: string): string {
  return `${field}.wellKnownCACertificates: ${name} is not supported; set it to ${SYSTEM} to trust the public certificate authorities, or name your own in caCertificateRefs`;
}

function tooMany(field: string, bytes: number): AuthorityProblem {
  const text = `they hold ${bytes} bytes of certificates, of ${MOST_BYTES} at most; name only the authorities that sign for these servers`;
  return { reason: 'InvalidCACertificateRef', field, text };
}

interface ReadAuthority {
  readonly certificates?: readonly Uint8Array[];
  readonly problem?: AuthorityProblem;
}

function certificatesOf({ certificates = [] }: ReadAuthority): readonly Uint8Array[] {
  return certificates;
}

/** What to say of an object that is not there, or has no certificate. */
const MISSING: Readonly<Record<AuthorityKind, readonly [absent: string, empty: string]>> = {
  ConfigMap: [
    'does not exist or has no key ca.crt; create it with certificates as PEM',
    'has no certificate as PEM under its key ca.crt',
  ],
  ClusterTrustBundle: [
    'does not exist, or the API server does not serve ClusterTrustBundles of certificates.k8s.io/v1 (Kubernetes 1.37 and later do); create it, or name a ConfigMap',
    'has no certificate in spec.trustBundle',
  ],
};

function readAuthority(mesh: Mesh, validating: Validating, authority: AuthorityRef): ReadAuthority {
  const { group, kind, field } = authority;
  const read = authorityKind(authority);
  const key = bundleNamed(validating, authority);
  if (read === undefined || key === undefined) {
    const named = group === '' ? kind : `${kind} of ${group}`;
    const text = `${named} is not supported; name a ConfigMap that has the certificates under the key ca.crt, or a ClusterTrustBundle`;
    return { problem: { reason: 'InvalidKind', field, text } };
  }
  const bundle = mesh.caBundles.get(key);
  const certificates = bundle === undefined ? [] : certificatesIn(bundle);
  if (certificates.length > 0) return { certificates };
  const [absent, empty] = MISSING[read];
  const text = `${read} ${key} ${bundle === undefined ? absent : empty}`;
  return { problem: { reason: 'InvalidCACertificateRef', field, text } };
}
