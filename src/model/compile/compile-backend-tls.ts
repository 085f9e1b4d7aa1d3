import type { Mesh } from '../tables/mesh.js';
import {
  type AuthorityKind,
  authorityKind,
  type AuthorityRef,
  type BackendTlsPolicy,
  bundleNamed,
} from '../words/backend-tls-policy.js';
import { certificatesIn } from '../words/ca-bundle.js';
import type { BackendTls } from '../words/destination.js';
import { systemAuthorities } from '../words/system-authorities.js';

/** What a policy makes callers demand of servers, and what of it cannot be used. */
export interface CompiledBackendTls {
  readonly tls: BackendTls;
  readonly problems: readonly AuthorityProblem[];
}

/** A reference to certificates that cannot be used, in the words of Gateway API. */
export interface AuthorityProblem {
  readonly reason: 'InvalidKind' | 'InvalidCACertificateRef';
  readonly message: string;
}

/** Bytes of certificates that a policy may name: the list of the web takes half of it. A destination holds three such lists. */
const MOST_BYTES = 256 * 1024;

/** One that nobody can verify anything with demands it all the same: then nothing is sent (GEP-1897). */
export function compileBackendTls(mesh: Mesh, policy: BackendTlsPolicy): CompiledBackendTls {
  const { hostname, names, ref } = policy;
  const read = policy.authorities.map((authority) => readAuthority(mesh, policy, authority));
  const found = policy.wellKnown === SYSTEM ? systemAuthorities() : read.flatMap(certificatesOf);
  const bytes = found.reduce((total, { length }) => total + length, 0);
  const authorities = bytes > MOST_BYTES ? [] : found;
  const problems = [
    ...read.flatMap(({ problem }) => problem ?? []),
    ...(bytes > MOST_BYTES ? [tooMany(bytes)] : []),
  ];
  const refused = refusal(policy, problems, authorities);
  return {
    tls: {
      policy: `${ref.namespace}/${ref.name}`,
      serverName: hostname,
      dnsNames: names.dns,
      uris: names.uris,
      ...(refused === undefined ? { authorities } : { authorities: [], refused }),
    },
    problems,
  };
}

/** An upper bound of what it takes on the wire. */
export function backendTlsBytes({
  policy,
  serverName,
  dnsNames,
  uris,
  authorities,
  refused,
}: BackendTls): number {
  const texts = [policy, serverName, ...dnsNames, ...uris, refused ?? ''];
  const parts = [...texts.map((text) => Buffer.byteLength(text)), ...authorities.map(({ length }) => length)];
  return parts.reduce((total, bytes) => total + bytes + FRAME, 0);
}

/** Tag and length of a field. */
const FRAME = 8;

/** The one well-known set that Gateway API defines. */
const SYSTEM = 'System';

function refusal(
  { wellKnown, authorities: named }: BackendTlsPolicy,
  problems: readonly AuthorityProblem[],
  authorities: readonly Uint8Array[],
): string | undefined {
  if (wellKnown !== undefined && wellKnown !== SYSTEM) return notWellKnown(wellKnown);
  if (wellKnown !== undefined && named.length > 0) return BOTH;
  if (authorities.length > 0) return undefined;
  return problems.map(({ message }) => message).join('; ') || 'the policy names no certificate authority';
}

function notWellKnown(name: string): string {
  return `spec.validation.wellKnownCACertificates: ${name} is not supported; set it to ${SYSTEM} to trust the public certificate authorities, or name your own in caCertificateRefs`;
}

const BOTH =
  'spec.validation: both wellKnownCACertificates and caCertificateRefs are set; remove one of them';

function tooMany(bytes: number): AuthorityProblem {
  const message = `spec.validation.caCertificateRefs: they hold ${bytes} bytes of certificates, of ${MOST_BYTES} at most; name only the authorities that sign for this Service`;
  return { reason: 'InvalidCACertificateRef', message };
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

function readAuthority(mesh: Mesh, policy: BackendTlsPolicy, authority: AuthorityRef): ReadAuthority {
  const { group, kind, field } = authority;
  const read = authorityKind(authority);
  const key = bundleNamed(policy, authority);
  if (read === undefined || key === undefined) {
    const named = group === '' ? kind : `${kind} of ${group}`;
    const message = `${field}: ${named} is not supported; name a ConfigMap that has the certificates under the key ca.crt, or a ClusterTrustBundle`;
    return { problem: { reason: 'InvalidKind', message } };
  }
  const bundle = mesh.caBundles.get(key);
  const certificates = bundle === undefined ? [] : certificatesIn(bundle);
  if (certificates.length > 0) return { certificates };
  const [absent, empty] = MISSING[read];
  const message = `${field}: ${read} ${key} ${bundle === undefined ? absent : empty}`;
  return { problem: { reason: 'InvalidCACertificateRef', message } };
}
