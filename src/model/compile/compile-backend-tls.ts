import type { Mesh } from '../tables/mesh.js';
import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import type { BackendTls } from '../words/destination.js';
import { FIELD_FRAME } from '../words/budget.js';
import { type AuthorityProblem, trustedAuthorities } from './trusted-authorities.js';

/** What a policy makes callers demand of servers, and what of it cannot be used. */
export interface CompiledBackendTls {
  readonly tls: BackendTls;
  readonly problems: readonly AuthorityProblem[];
}

/** One that nobody can verify anything with demands it all the same: then nothing is sent (GEP-1897). */
export function compileBackendTls(mesh: Mesh, policy: BackendTlsPolicy): CompiledBackendTls {
  const { hostname, names, ref } = policy;
  const trusted = trustedAuthorities(mesh, { ref, validation: policy, field: 'spec.validation' });
  const { authorities, refused, problems } = trusted;
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
  return parts.reduce((total, bytes) => total + bytes + FIELD_FRAME, 0);
}
