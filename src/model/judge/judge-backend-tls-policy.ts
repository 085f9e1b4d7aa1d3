import { backendTlsOn } from '../compile/backend-tls-on.js';
import { type CompiledBackendTls, compileBackendTls } from '../compile/compile-backend-tls.js';
import { problemText } from '../compile/trusted-authorities.js';
import type { Mesh } from '../tables/mesh.js';
import type { BackendTlsPolicy, BackendTlsTarget } from '../words/backend-tls-policy.js';
import { type DirtyKey, type ServiceKey, serviceKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import type { Verdict } from '../words/problem.js';
import { serviceOf } from './about.js';
import type { AncestorVerdict } from './ancestor-verdict.js';

/**
 * What became of the policy for each Service that it targets, and for each that is the parent of routes which send requests there:
 * callers in the mesh reach a target by either. Of several targets behind one parent the one that is refused counts.
 */
export function judgeBackendTlsPolicy(
  mesh: Mesh,
  policy: BackendTlsPolicy,
): readonly Required<AncestorVerdict>[] {
  const compiled = compileBackendTls(mesh, policy);
  const resolvedRefs = judgeAuthorities(policy, compiled);
  const verdicts = new Map<ServiceKey, Verdict>();
  for (const target of policy.targets) {
    const service = serviceKey(target.namespace, target.name);
    const accepted = refusalOn(mesh, policy, target) ?? judgeTrust(policy, compiled);
    for (const ancestor of [service, ...parentsSendingTo(mesh, service)]) {
      if (verdicts.get(ancestor)?.status !== 'False') verdicts.set(ancestor, accepted);
    }
  }
  return [...verdicts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ancestor, accepted]) => ({ ancestor, accepted, resolvedRefs }));
}

/** Policies whose verdict may be another after a change. */
export function backendTlsPoliciesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly PolicyRef[] {
  const found = new Set<PolicyRef>();
  for (const key of dirty) {
    const service = serviceOf(key);
    if (service !== undefined) for (const { ref } of mesh.backendTlsPoliciesOn(service)) found.add(ref);
  }
  return [...found];
}

function parentsSendingTo(mesh: Mesh, service: ServiceKey): readonly ServiceKey[] {
  return mesh
    .routesAbout(service)
    .filter(({ rules }) =>
      rules.some(({ route: { split, mirrors = [] } }) =>
        [...split, ...mirrors].some(
          ({ service: to }) => to !== undefined && serviceKey(to.namespace, to.name) === service,
        ),
      ),
    )
    .flatMap(({ parents }) => parents.map((parent) => parent.service));
}

/** Why the policy does not act on a target. */
function refusalOn(mesh: Mesh, policy: BackendTlsPolicy, target: BackendTlsTarget): Verdict | undefined {
  const { namespace, name, section, field } = target;
  const key = serviceKey(namespace, name);
  const service = mesh.services.get(key);
  if (service === undefined)
    return refused(
      'TargetNotFound',
      `${field}: Service ${key} does not exist; create it or correct the name`,
    );
  if (section !== undefined && !service.ports.some((port) => port.name === section))
    return refused(
      'TargetNotFound',
      `${field}: Service ${key} has no port named ${section}; correct sectionName or leave it out to mean all ports`,
    );
  const winner = backendTlsOn(mesh, key, { name: section ?? '' });
  if (winner === undefined || winner.ref.uid === policy.ref.uid) return undefined;
  return refused(
    'Conflicted',
    `${field}: BackendTLSPolicy ${winner.ref.namespace}/${winner.ref.name} is older and already applies to the target; merge the two or delete one`,
  );
}

function judgeTrust({ wellKnown }: BackendTlsPolicy, { tls: { refused: why } }: CompiledBackendTls): Verdict {
  if (why === undefined)
    return {
      status: 'True',
      reason: 'Accepted',
      message:
        'The policy is in force for callers in the mesh; pods with a proxy of the mesh are called with its mutual TLS instead.',
    };
  const until = `${why}\nUntil then requests are answered with status 503, and connections reset.`;
  return refused(wellKnown === undefined ? 'NoValidCACertificate' : 'Invalid', until);
}

function judgeAuthorities({ authorities }: BackendTlsPolicy, { problems }: CompiledBackendTls): Verdict {
  const [problem] = problems;
  if (problem !== undefined) return refused(problem.reason, problems.map(problemText).join('\n'));
  const message =
    authorities.length === 0 ? 'The policy refers to no object.' : 'All references are resolved.';
  return { status: 'True', reason: 'ResolvedRefs', message };
}

function refused(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}
