import { type MeshRoleBinding as BindingObject, meshRoleBinding, violations } from '../../api/index.js';
import { toAddressBlock } from '../words/ip.js';
import type { PolicyRef } from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import { fieldOf } from './read-mesh-config.js';
import type { AccessCondition, AccessSubject, CallerCondition, MeshRoleBinding } from '../words/access.js';

/** What became of a MeshRoleBinding object. */
export interface ReadRoleBinding {
  /** Absent when it cannot act. */
  readonly binding?: MeshRoleBinding;
  readonly problems: readonly Problem[];
}

/** Reads a MeshRoleBinding as the API server stores it. */
export function toRoleBinding(object: unknown): ReadRoleBinding {
  const problems = violations(meshRoleBinding, object).map(({ path, message }) => invalid(path, message));
  const { success, data } = meshRoleBinding.schema.safeParse(object);
  if (!success || problems.length > 0) return { problems };
  const { subjects, roleRef, effect, mode } = data.spec;
  const ref = refOf(data.metadata);
  const read = subjects.map((subject, index) => toSubject(subject, ref.namespace, `spec.subjects[${index}]`));
  const bad = read.flatMap((one) => ('problem' in one ? [one.problem] : []));
  if (bad.length > 0) return { problems: bad };
  return {
    binding: {
      ref,
      role: roleRef.name,
      effect: effect === 'Deny' ? 'deny' : 'allow',
      mode: mode === 'DryRun' ? 'dryRun' : 'enforce',
      subjects: read.flatMap((one) => ('subject' in one ? [one.subject] : [])),
    },
    problems: [],
  };
}

/**
 * What stands for a binding that this version cannot read, and of which it knows no earlier form. One that might deny denies
 * everybody everything in its namespace: what closes must not open because it is not understood. One that allows grants nothing.
 */
export function unreadRoleBinding(object: unknown, ref: PolicyRef): MeshRoleBinding | undefined {
  const spec = fieldOf(object, 'spec');
  const effect = fieldOf(spec, 'effect');
  if (effect === undefined || effect === 'Allow') return undefined;
  const mode = fieldOf(spec, 'mode') === 'DryRun' ? 'dryRun' : 'enforce';
  return { ref, role: undefined, effect: 'deny', mode, subjects: [[{ kind: 'anyone' }]] };
}

type ReadSubject = { readonly subject: AccessSubject } | { readonly problem: Problem };

function toSubject(subject: Subject, namespace: string, field: string): ReadSubject {
  const { allOf } = subject;
  const conditions =
    allOf === undefined
      ? [{ caller: subject, at: field, inverted: false }]
      : allOf.map((condition, index) => ({
          caller: condition.not ?? condition,
          at: `${field}.allOf[${index}]${condition.not === undefined ? '' : '.not'}`,
          inverted: condition.not !== undefined,
        }));
  const read: AccessCondition[] = [];
  for (const { caller, at, inverted } of conditions) {
    const condition = toCondition(caller, namespace);
    if (condition === undefined) {
      const message = `is not a block of addresses; write an address and how many of its bits count, such as 10.0.0.0/8`;
      return { problem: invalid(`${at}.cidr`, message) };
    }
    read.push(inverted ? { ...condition, inverted: true } : condition);
  }
  return { subject: read };
}

function toCondition(caller: Caller, own: string): CallerCondition | undefined {
  const { serviceAccount, namespace, trustDomain, cidr, jwt, caller: kind } = caller;
  if (serviceAccount !== undefined) {
    const { name, namespace: where = own, trustDomain: domain } = serviceAccount;
    return { kind: 'serviceAccount', namespace: where, name, ...inDomain(domain) };
  }
  if (namespace !== undefined)
    return { kind: 'namespace', name: namespace.name, ...inDomain(namespace.trustDomain) };
  if (trustDomain !== undefined) return { kind: 'trustDomain', name: trustDomain.name };
  if (cidr !== undefined) return toIpBlock(cidr);
  if (jwt !== undefined) return { kind: 'jwt', issuer: jwt.issuer, claims: jwt.claims ?? [] };
  return { kind: KINDS[kind ?? 'Authenticated'] };
}

const KINDS = {
  Anyone: 'anyone',
  Authenticated: 'authenticated',
  Unauthenticated: 'unauthenticated',
} as const;

function inDomain(trustDomain: string | undefined): { readonly trustDomain?: string } {
  return trustDomain === undefined ? {} : { trustDomain };
}

function toIpBlock(cidr: string): CallerCondition | undefined {
  const block = toAddressBlock(cidr);
  return block === undefined ? undefined : { kind: 'ipBlock', ...block };
}

function refOf(metadata: BindingObject['metadata']): PolicyRef {
  const { namespace = 'default', name, uid = '', generation = 0, creationTimestamp = '' } = metadata;
  return { kind: 'MeshRoleBinding', namespace, name, uid, generation, creationTimestamp };
}

function invalid(field: string, message: string): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field, message };
}

type Subject = BindingObject['spec']['subjects'][number];
type Caller = Omit<Subject, 'allOf'>;
