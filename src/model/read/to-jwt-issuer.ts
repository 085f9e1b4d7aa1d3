import { durationMs, jwtIssuer, type JwtIssuer as IssuerObject, violations } from '../../api/index.js';
import type { JwtIssuer, KeySource, TokenLocation } from '../words/jwt-issuer.js';
import type { PolicyRef } from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import { toJwtKeys } from './to-jwt-keys.js';

/** What became of a JwtIssuer object. */
export interface ReadJwtIssuer {
  /** Absent when it cannot act. */
  readonly issuer?: JwtIssuer;
  readonly problems: readonly Problem[];
}

const DEFAULT_SKEW_MS = 30_000;

/** Reads a JwtIssuer as the API server stores it. */
export function toJwtIssuer(object: unknown): ReadJwtIssuer {
  const problems = violations(jwtIssuer, object).map(({ path, message }) => invalid(path, message));
  const { success, data } = jwtIssuer.schema.safeParse(object);
  if (!success || problems.length > 0) return { problems };
  const { issuer, audiences, jwks, clockSkew, location, forwarding } = data.spec;
  const read = toKeySource(jwks);
  if (typeof read === 'string') return { problems: [invalid('spec.jwks.inline', read)] };
  return {
    issuer: {
      ref: refOf(data.metadata),
      issuer,
      audiences,
      keys: read.source,
      skewSeconds: Math.floor((durationMs(clockSkew ?? '') ?? DEFAULT_SKEW_MS) / 1000),
      location: toLocation(location),
      forwarding: forwarding === 'Remove' ? 'remove' : 'keep',
    },
    problems: read.skipped.map((reason) => ({
      condition: 'ResolvedRefs',
      reason: 'KeysSkipped',
      field: 'spec.jwks.inline',
      message: `${reason}; the others are used`,
    })),
  };
}

function toKeySource({
  inline,
  url = '',
  caBundle,
}: IssuerObject['spec']['jwks']):
  { readonly source: KeySource; readonly skipped: readonly string[] } | string {
  if (inline === undefined) {
    const bundle = caBundle === undefined ? {} : { caBundle };
    return { source: { kind: 'url', url, ...bundle }, skipped: [] };
  }
  const read = toJwtKeys(inline);
  if (typeof read === 'string') return read;
  if (read.keys.length === 0) return ['has no key that can be used', ...read.skipped].join('; ');
  return { source: { kind: 'inline', keys: read.keys }, skipped: read.skipped };
}

function toLocation(location: IssuerObject['spec']['location']): TokenLocation {
  if (location?.header !== undefined) return { kind: 'header', name: location.header.toLowerCase() };
  if (location?.cookie !== undefined) return { kind: 'cookie', name: location.cookie };
  return { kind: 'bearer' };
}

function refOf(metadata: IssuerObject['metadata']): PolicyRef {
  const { namespace = 'default', name, uid = '', generation = 0, creationTimestamp = '' } = metadata;
  return { kind: 'JwtIssuer', namespace, name, uid, generation, creationTimestamp };
}

function invalid(field: string, message: string): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field, message };
}
