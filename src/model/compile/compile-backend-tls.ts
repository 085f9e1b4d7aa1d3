import type { Mesh } from '../tables/mesh.js';
import type { AuthorityRef, BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { certificatesIn } from '../words/ca-bundle.js';
import type { BackendTls } from '../words/destination.js';

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

/** Bytes of certificates that a policy may name: a browser's list takes half of it. A destination holds two such lists. */
const MOST_BYTES = 256 * 1024;

/** One that nobody can verify anything with demands it all the same: then nothing is sent (GEP-1897). */
export function compileBackendTls(mesh: Mesh, policy: BackendTlsPolicy): CompiledBackendTls {
  const { hostname, names, ref } = policy;
  const read = policy.authorities.map((authority) => readAuthority(mesh, policy, authority));
  const found = read.flatMap(({ certificates = [] }) => certificates);
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
      authorities,
      ...(refused === undefined ? {} : { refused }),
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

function refusal(
  { wellKnown }: BackendTlsPolicy,
  problems: readonly AuthorityProblem[],
  authorities: readonly Uint8Array[],
): string | undefined {
  if (wellKnown !== undefined) return notWellKnown(wellKnown);
  if (authorities.length > 0) return undefined;
  return problems.map(({ message }) => message).join('; ') || 'the policy names no certificate authority';
}

function notWellKnown(name: string): string {
  return `spec.validation.wellKnownCACertificates: ${name} is not supported, since the proxy's image has no certificate authorities of a system; put those that you trust under the key ca.crt into a ConfigMap, and name that in caCertificateRefs`;
}

function tooMany(bytes: number): AuthorityProblem {
  const message = `spec.validation.caCertificateRefs: they hold ${bytes} bytes of certificates, of ${MOST_BYTES} at most; name only the authorities that sign for this Service`;
  return { reason: 'InvalidCACertificateRef', message };
}

interface ReadAuthority {
  readonly certificates?: readonly Uint8Array[];
  readonly problem?: AuthorityProblem;
}

function readAuthority(
  mesh: Mesh,
  { ref: { namespace } }: BackendTlsPolicy,
  { group, kind, name, field }: AuthorityRef,
): ReadAuthority {
  if (group !== '' || kind !== 'ConfigMap') {
    const named = group === '' ? kind : `${kind} of ${group}`;
    const message = `${field}: ${named} is not supported; name a ConfigMap that has the certificates under the key ca.crt`;
    return { problem: { reason: 'InvalidKind', message } };
  }
  const bundle = mesh.caBundles.get(`${namespace}/${name}`);
  const invalid = (why: string): ReadAuthority => ({
    problem: {
      reason: 'InvalidCACertificateRef',
      message: `${field}: ConfigMap ${namespace}/${name} ${why}`,
    },
  });
  if (bundle === undefined)
    return invalid('does not exist or has no key ca.crt; create it with certificates as PEM');
  const certificates = certificatesIn(bundle);
  return certificates.length === 0
    ? invalid('has no certificate as PEM under its key ca.crt')
    : { certificates };
}
