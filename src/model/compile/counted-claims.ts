import type { Mesh } from '../tables/mesh.js';
import type { AccessConfig } from '../words/access-config.js';
import type { PolicyRef } from '../words/policy.js';
import type { CountedClaim, PodRateLimit, RateLimitKey } from '../words/rate-limit.js';
import type { CompiledAccess } from './compile-access.js';

/** Claims that a proxy keeps of each token; requests are not told apart by those beyond. The proxy checks the same number. */
const MOST_CLAIMS = 16;

/** What is said about access to a pod, and whose tokens prove the claims by which its limits count. */
export interface ClaimsCounted {
  readonly access?: AccessConfig;
  /** The issuers that only limits name. */
  readonly sources: readonly PolicyRef[];
}

/**
 * Adds to the access rules of a pod in `namespace` what its limits ask of tokens. A claim of an issuer that is not known has no
 * value: all requests count together then.
 */
export function countClaims(
  mesh: Mesh,
  namespace: string,
  { access }: Pick<CompiledAccess, 'access'>,
  limits: readonly PodRateLimit[],
): ClaimsCounted {
  const { trusted } = mesh.accessIn(namespace);
  const wanted = limits.flatMap(({ key }) => key.flatMap(claimOf));
  const known = [...new Map(wanted.map((claim) => [idOf(claim), claim]))]
    .filter(([, { issuer }]) => trusted.has(issuer))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(0, MOST_CLAIMS)
    .map(([, claim]) => claim);
  if (known.length === 0) return { ...(access === undefined ? {} : { access }), sources: [] };
  const { jwtIssuers = [], ...rules } = access ?? OPEN;
  const has = new Set(jwtIssuers.map(({ issuer }) => issuer.issuer));
  const more = [...new Set(known.map(({ issuer }) => issuer))]
    .filter((issuer) => !has.has(issuer))
    .flatMap((issuer) => trusted.get(issuer) ?? []);
  return {
    access: { ...rules, jwtIssuers: [...jwtIssuers, ...more], countedClaims: known },
    sources: more.map(({ issuer }) => issuer.ref),
  };
}

/** Nothing is asked of anybody. */
const OPEN: AccessConfig = { default: 'allow', bindings: [], permissions: [], subjects: [] };

/** The claim that a part of a key is, if it is one. */
export function claimOf(part: RateLimitKey): readonly CountedClaim[] {
  return 'claim' in part ? [part.claim] : [];
}

/** Another one for other claims. */
function idOf({ issuer, path }: CountedClaim): string {
  return JSON.stringify([issuer, ...path]);
}

/** The place of a claim among those that are counted; -1 where it has no value for anybody. */
export function placeOfClaim(counted: readonly CountedClaim[], claim: CountedClaim): number {
  return counted.findIndex((known) => idOf(known) === idOf(claim));
}
