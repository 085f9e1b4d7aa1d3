import type { TrustedIssuer } from '../words/jwt-issuer.js';
import type { Problem } from '../words/problem.js';
import { issuerCost, names, trustedIssuers, withKnownIssuers } from './known-issuers.js';
import type { AccessDefault, MeshRole, MeshRoleBinding, RoleRule } from '../words/access.js';
import {
  type AccessCost,
  accessCostOf,
  accessExcess,
  FREE_ACCESS,
  joinedAccess,
} from '../words/access-budget.js';

/** A binding that acts, with what its role lists. */
export interface ActingBinding {
  readonly binding: MeshRoleBinding;
  /** Absent where it is missing, and stands for everything. */
  readonly role?: MeshRole;
  readonly rules: readonly RoleRule[];
}

/** What is said about access to the pods of a namespace. */
export interface NamespaceAccess {
  readonly default: AccessDefault;
  readonly acting: readonly ActingBinding[];
  /** The uids of bindings that act and of their roles. */
  readonly inForce: ReadonlySet<string>;
  /** Names of the Services that they are about, sorted. */
  readonly services: readonly string[];
  /** Issuers that acting bindings name, by their claim `iss`. */
  readonly issuers: ReadonlyMap<string, TrustedIssuer>;
  /** All issuers that can be named, by the same. */
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
  /** What is wrong with bindings and issuers beside what reading them showed, by their uid. */
  readonly problems: ReadonlyMap<string, readonly Problem[]>;
}

/** What bindings refer to in their namespace. */
export interface Surroundings {
  readonly roleNamed: (name: string) => MeshRole | undefined;
  /** With their keys, in any order. */
  readonly issuers?: readonly TrustedIssuer[];
}

interface Words {
  readonly problems: NamespaceAccess['problems'];
  readonly trusted: ReadonlyMap<string, TrustedIssuer>;
}

/**
 * Joins bindings and roles. What cannot be resolved is read as narrowly as possible where it allows and as widely as possible
 * where it denies: a binding whose role is missing grants nothing, or denies its subjects everything. Of what does not fit into the
 * budget the youngest allows nothing; were it what denies that does not fit, nobody is let in.
 */
export function namespaceAccess(
  byDefault: AccessDefault,
  bindings: readonly MeshRoleBinding[],
  { roleNamed, issuers = [] }: Surroundings,
): NamespaceAccess {
  const problems = new Map<string, readonly Problem[]>();
  const trusted = trustedIssuers(issuers, problems);
  const acting: ActingBinding[] = [];
  let cost: AccessCost = joinedAccess(FREE_ACCESS, issuerCost(trusted.values()));
  let closed = false;
  for (const written of [...bindings].sort(byWeight)) {
    const { binding, unknown } = withKnownIssuers(written, trusted);
    const resolved = resolve(binding, roleNamed);
    const found = [...(resolved.problem === undefined ? [] : [resolved.problem]), ...unknown];
    if (found.length > 0) problems.set(binding.ref.uid, found);
    if (resolved.acting === undefined) continue;
    const together = joinedAccess(cost, accessCostOf(binding, resolved.acting.rules));
    const over = accessExcess(together);
    if (over === undefined) {
      cost = together;
      acting.push(resolved.acting);
      continue;
    }
    problems.set(binding.ref.uid, [tooLarge(binding, over)]);
    closed ||= binding.effect === 'deny' && binding.mode === 'enforce';
  }
  const denying = acting.filter(({ binding }) => binding.effect === 'deny');
  const words = { problems, trusted };
  return closed ? joined('deny', denying, words) : joined(byDefault, acting, words);
}

/** A binding with what its role lists, as far as it is there. */
function resolve(
  binding: MeshRoleBinding,
  roleNamed: (name: string) => MeshRole | undefined,
): { readonly acting?: ActingBinding; readonly problem?: Problem } {
  const { role: name, effect } = binding;
  const role = name === undefined ? undefined : roleNamed(name);
  if (role !== undefined) return { acting: { binding, role, rules: role.rules } };
  const problem = name === undefined ? {} : { problem: roleNotFound(binding, name) };
  return effect === 'deny' ? { acting: { binding, rules: [{}] }, ...problem } : problem;
}

function joined(
  byDefault: AccessDefault,
  acting: readonly ActingBinding[],
  { problems, trusted }: Words,
): NamespaceAccess {
  const issuers = new Map([...trusted].filter(([id]) => acting.some(({ binding }) => names(binding, id))));
  const uids = acting.flatMap(({ binding, role }) => [
    binding.ref.uid,
    ...(role === undefined ? [] : [role.ref.uid]),
  ]);
  const services = acting.flatMap(({ rules }) => rules.flatMap((rule) => rule.services ?? []));
  return {
    default: byDefault,
    acting,
    inForce: new Set([...uids, ...[...issuers.values()].map(({ issuer }) => issuer.ref.uid)]),
    issuers,
    trusted,
    services: [...new Set(services)].sort(),
    problems,
  };
}

/** What denies first, then the oldest, then by name. */
function byWeight(a: MeshRoleBinding, b: MeshRoleBinding): number {
  const key = ({ effect, ref }: MeshRoleBinding): string =>
    `${effect === 'deny' ? 0 : 1} ${ref.creationTimestamp} ${ref.name}`;
  return key(a) < key(b) ? -1 : 1;
}

function roleNotFound({ ref, effect }: MeshRoleBinding, role: string): Problem {
  const meanwhile =
    effect === 'deny' ? 'until then its subjects are denied everything' : 'until then it grants nothing';
  return {
    condition: 'ResolvedRefs',
    reason: 'RoleNotFound',
    field: 'spec.roleRef.name',
    message: `there is no MeshRole ${ref.namespace}/${role} that can be read; create it, or correct the name; ${meanwhile}`,
  };
}

function tooLarge({ effect }: MeshRoleBinding, over: string): Problem {
  const meanwhile =
    effect === 'deny'
      ? 'until then nobody may ask anything in this namespace'
      : 'until then it grants nothing';
  return {
    condition: 'Accepted',
    reason: 'TooLarge',
    field: 'spec',
    message: `with the older bindings of its namespace there would be ${over}; merge subjects or rules, or remove some; ${meanwhile}`,
  };
}
