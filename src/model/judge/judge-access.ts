import { type DirtyKey, serviceKey } from '../words/keys.js';
import type { JwtIssuer, KeySet } from '../words/jwt-issuer.js';
import type { Mesh } from '../tables/mesh.js';
import { claimOf } from '../compile/counted-claims.js';
import { isInForce } from './judge.js';
import type { RateLimitKey } from '../words/rate-limit.js';
import type { Problem } from '../words/problem.js';
import type { MeshRole, MeshRoleBinding } from '../words/access.js';

/** What keeps a binding from acting as written, that only the rest of the mesh shows. */
export function judgeRoleBinding(mesh: Mesh, { ref }: MeshRoleBinding): readonly Problem[] {
  return mesh.accessIn(ref.namespace).problems.get(ref.uid) ?? [];
}

/** Whether any of a binding acts, or of a role by one. */
export function isAccessInForce(mesh: Mesh, { ref }: MeshRole | MeshRoleBinding | JwtIssuer): boolean {
  return mesh.accessIn(ref.namespace).inForce.has(ref.uid);
}

/** Whether a binding that acts names the issuer, or a limit in force counts by claims of its tokens. */
export function isJwtIssuerInForce(mesh: Mesh, issuer: JwtIssuer): boolean {
  const { namespace, uid } = issuer.ref;
  if (isAccessInForce(mesh, issuer)) return true;
  if (mesh.accessIn(namespace).trusted.get(issuer.issuer)?.issuer.ref.uid !== uid) return false;
  const names = (part: RateLimitKey): boolean =>
    claimOf(part).some((claim) => claim.issuer === issuer.issuer);
  return mesh
    .policiesCountingClaimsIn(namespace)
    .some((policy) => policy.rateLimits?.some(({ key }) => key.some(names)) && isInForce(mesh, policy));
}

/** What keeps an issuer from being believed, that only the rest of the mesh shows. */
export function judgeJwtIssuer(mesh: Mesh, { ref, keys }: JwtIssuer): readonly Problem[] {
  const found = mesh.accessIn(ref.namespace).problems.get(ref.uid) ?? [];
  return keys.kind === 'inline' ? found : [...found, ...keyProblems(mesh.keySetOf(ref.uid))];
}

function keyProblems(set: KeySet | undefined): readonly Problem[] {
  const problem = (reason: Problem['reason'], message: string): readonly Problem[] => [
    { condition: 'ResolvedRefs', reason, field: 'spec.jwks.url', message },
  ];
  if (set?.keys === undefined) {
    const why = set?.failure ?? 'they have not been asked for yet';
    return problem('KeysMissing', `the keys could not be fetched: ${why}; until then its tokens are refused`);
  }
  if (set.failure === undefined) return [];
  const since = set.fetchedAt === undefined ? 'before' : `at ${new Date(set.fetchedAt).toISOString()}`;
  return problem(
    'KeysStale',
    `the keys could not be fetched again: ${set.failure}; those fetched ${since} are used for a day at most, and its tokens are refused then`,
  );
}

/** Issuers whose verdict may be another after a change. */
export function jwtIssuersAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly JwtIssuer[] {
  return [...namespacesOf(dirty)].flatMap((namespace) => mesh.jwtIssuersIn(namespace));
}

/** What a role names and is not there. */
export function judgeRole(mesh: Mesh, { ref, rules }: MeshRole): readonly Problem[] {
  return rules.flatMap(({ services = [] }, rule) =>
    services.flatMap((name): Problem[] =>
      mesh.services.has(serviceKey(ref.namespace, name))
        ? []
        : [
            {
              condition: 'ResolvedRefs',
              reason: 'TargetNotFound',
              field: `spec.rules[${rule}].services`,
              message: `there is no Service ${ref.namespace}/${name}; create it, or correct the name; until then the rule concerns nothing there`,
            },
          ],
    ),
  );
}

/** Bindings whose verdict may be another after a change. */
export function roleBindingsAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly MeshRoleBinding[] {
  return [...namespacesOf(dirty)].flatMap((namespace) => mesh.roleBindingsIn(namespace));
}

/** Roles whose verdict may be another after a change. */
export function rolesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly MeshRole[] {
  return [...namespacesOf(dirty)].flatMap((namespace) => mesh.rolesIn(namespace));
}

const ACCESS = 'access/';
const SPEC = 'spec/';

function namespacesOf(dirty: Iterable<DirtyKey>): ReadonlySet<string> {
  const found = new Set<string>();
  for (const key of dirty) {
    if (key.startsWith(ACCESS)) found.add(key.slice(ACCESS.length));
    if (key.startsWith(SPEC)) found.add(key.slice(SPEC.length, key.indexOf('/', SPEC.length)));
  }
  return found;
}
