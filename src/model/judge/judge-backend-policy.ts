import { serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Verdict } from '../words/problem.js';
import { actingOn, saysSomething } from '../compile/acting-backend-policy.js';
import type { BackendPolicy, BackendTarget } from '../words/backend-policy.js';
import type { AncestorVerdict } from './ancestor-verdict.js';

/** Whether a policy acts, for each Service that it names. */
export function judgeBackendPolicy(mesh: Mesh, policy: BackendPolicy): readonly AncestorVerdict[] {
  return policy.targets.map((target) => ({
    ancestor: serviceKey(target.namespace, target.name),
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
    `${field}: XBackendTrafficPolicy ${namespace}/${name} is older and already applies to Service ${service}; merge the two or delete one`,
  );
}

function refusal(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}
