import type { AccessSubject, MeshRoleBinding } from '../words/access.js';
import type { AccessCost } from '../words/access-budget.js';
import type { TrustedIssuer } from '../words/jwt-issuer.js';
import type { Problem } from '../words/problem.js';

/** Issuers of one namespace. */
const MOST_ISSUERS = 16;

/** The issuers of a namespace by their claim `iss`: of two with the same the older counts, and of too many the oldest. */
export function trustedIssuers(
  issuers: readonly TrustedIssuer[],
  problems: Map<string, readonly Problem[]>,
): ReadonlyMap<string, TrustedIssuer> {
  const trusted = new Map<string, TrustedIssuer>();
  for (const one of [...issuers].sort(byAge)) {
    const { ref, issuer } = one.issuer;
    const older = trusted.get(issuer);
    if (older !== undefined) problems.set(ref.uid, [conflicted(older)]);
    else if (trusted.size >= MOST_ISSUERS) problems.set(ref.uid, [tooMany()]);
    else trusted.set(issuer, one);
  }
  return trusted;
}

/** What they take of the budget of their namespace, whether bindings name them or not. */
export function issuerCost(issuers: Iterable<TrustedIssuer>): AccessCost {
  return { accessGrants: 0, accessEntries: 0, accessBytes: Buffer.byteLength(JSON.stringify([...issuers])) };
}

/**
 * A binding as it acts while only some of the issuers are known that it names. A condition on a token of an unknown one is read
 * as narrowly as possible where it allows, and as widely where it denies: whether it stands in `not` or not, a subject with it
 * is nobody, or whoever meets the other conditions.
 */
export function withKnownIssuers(
  binding: MeshRoleBinding,
  known: ReadonlyMap<string, TrustedIssuer>,
): { readonly binding: MeshRoleBinding; readonly unknown: readonly Problem[] } {
  const { subjects, effect } = binding;
  const missing = issuersOf(subjects).filter((issuer) => !known.has(issuer));
  if (missing.length === 0) return { binding, unknown: [] };
  const acting = subjects.flatMap((subject): AccessSubject[] => {
    const rest = subject.filter((condition) => condition.kind !== 'jwt' || known.has(condition.issuer));
    if (rest.length === subject.length) return [subject];
    if (effect === 'allow') return [];
    return [rest.length === 0 ? [{ kind: 'anyone' }] : rest];
  });
  return {
    binding: { ...binding, subjects: acting },
    unknown: missing.map((issuer) => issuerNotFound(binding, issuer)),
  };
}

/** Whether a binding asks for tokens of an issuer. */
export function names({ subjects }: MeshRoleBinding, issuer: string): boolean {
  return issuersOf(subjects).includes(issuer);
}

function issuersOf(subjects: readonly AccessSubject[]): readonly string[] {
  const named = subjects.flat().flatMap((condition) => (condition.kind === 'jwt' ? [condition.issuer] : []));
  return [...new Set(named)];
}

function byAge({ issuer: a }: TrustedIssuer, { issuer: b }: TrustedIssuer): number {
  const key = ({ ref }: TrustedIssuer['issuer']): string => `${ref.creationTimestamp} ${ref.name}`;
  return key(a) < key(b) ? -1 : 1;
}

function conflicted({ issuer: { ref, issuer } }: TrustedIssuer): Problem {
  return {
    condition: 'Accepted',
    reason: 'Conflicted',
    field: 'spec.issuer',
    message: `JwtIssuer ${ref.namespace}/${ref.name}, which is older, is for tokens of ${issuer} already; merge the two, or remove one; until then this one does nothing`,
  };
}

function tooMany(): Problem {
  return {
    condition: 'Accepted',
    reason: 'TooLarge',
    field: 'spec',
    message: `its namespace has ${MOST_ISSUERS} older issuers, which is the most; remove some; until then it does nothing`,
  };
}

function issuerNotFound({ ref, effect }: MeshRoleBinding, issuer: string): Problem {
  const meanwhile =
    effect === 'deny'
      ? 'until then its subject is whoever meets the other conditions, with any token or none'
      : 'until then its subject is nobody';
  return {
    condition: 'ResolvedRefs',
    reason: 'IssuerNotFound',
    field: 'spec.subjects',
    message: `there is no JwtIssuer in ${ref.namespace} with issuer ${issuer} that can be read; create it, or correct the name; ${meanwhile}`,
  };
}
