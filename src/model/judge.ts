import type { Mesh } from './mesh.js';
import type { Policy } from './policy.js';
import type { Problem, Verdict } from './problem.js';

/** What keeps a policy from acting as written: rivals that win over it and references that lead nowhere. */
export function judge(mesh: Mesh, policy: Policy): readonly Problem[] {
  throw new Error(`to come: ${mesh.settings.cluster} ${policy.ref.name}`);
}

/** Problems as the content of the two conditions; joins those that `toPolicy` found and those of `judge`. */
export function verdicts(problems: readonly Problem[]): { readonly accepted: Verdict; readonly resolvedRefs: Verdict } {
  return { accepted: verdict(problems, 'Accepted'), resolvedRefs: verdict(problems, 'ResolvedRefs') };
}

function verdict(problems: readonly Problem[], condition: Problem['condition']): Verdict {
  const own = problems.filter((problem) => problem.condition === condition);
  const [first] = own;
  if (first === undefined) return { status: 'True', reason: condition, message: '' };
  const message = own.map((problem) => `${problem.field}: ${problem.message}`).join('\n');
  return { status: 'False', reason: first.reason, message: message.slice(0, 32_768) };
}
