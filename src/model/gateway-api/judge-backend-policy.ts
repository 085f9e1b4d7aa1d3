import { type ServiceKey, serviceKey } from '../keys.js';
import type { Mesh } from '../mesh.js';
import type { Verdict } from '../problem.js';
import type { BackendPolicy, BackendTarget } from './backend-policy.js';
import { olderFirst } from './merge.js';

/** What became of a policy on one of its targets. */
export interface TargetVerdict {
  readonly target: BackendTarget;
  readonly accepted: Verdict;
}

/** The policy on a Service that acts: whole, the oldest that says something, then the first by name. */
export function actingOn(mesh: Mesh, service: ServiceKey): BackendPolicy | undefined {
  return mesh.backendPoliciesOn(service).filter(saysSomething).sort(olderFirst)[0];
}

function saysSomething({ budget, session }: BackendPolicy): boolean {
  return budget !== undefined || session !== undefined;
}

/** Whether a policy acts, for each Service that it names. */
export function judgeBackendPolicy(mesh: Mesh, policy: BackendPolicy): readonly TargetVerdict[] {
  return policy.targets.map((target) => ({
    target,
    accepted: refusalOn(mesh, policy, target) ?? {
      status: 'True',
      reason: 'Accepted',
      message: 'The policy is in force.',
    },
  }));
}

function refusalOn(mesh: Mesh, policy: BackendPolicy, target: BackendTarget): Verdict | undefined {
  if (policy.problems.length > 0) {
    const told = policy.problems.map(({ field, message }) => `${field}: ${message}`).join('\n');
    return refusal('Invalid', `${told}\nUntil then nothing of the policy is in force.`);
  }
  const { field } = target;
  const service = serviceKey(target.namespace, target.name);
  if (!mesh.services.has(service)) {
    const message = `${field}: Service ${service} does not exist; create it or correct the name`;
    return refusal('TargetNotFound', message);
  }
  const winner = actingOn(mesh, service);
  if (!saysSomething(policy) || winner === undefined || winner.ref.uid === policy.ref.uid) return undefined;
  const { namespace, name } = winner.ref;
  return refusal(
    'Conflicted',
    `${field}: XBackendTrafficPolicy ${namespace}/${name} came first for Service ${service}; merge the two or delete one`,
  );
}

function refusal(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}
