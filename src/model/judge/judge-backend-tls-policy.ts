import { backendTlsOn, heedsBackendTls } from '../compile/backend-tls-on.js';
import type { Mesh } from '../tables/mesh.js';
import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { type DirtyKey, type ServiceKey, serviceKey } from '../words/keys.js';
import type { PolicyRef } from '../words/policy.js';
import type { Verdict } from '../words/problem.js';
import { serviceOf } from './about.js';
import type { AncestorVerdict } from './ancestor-verdict.js';

/**
 * For each Service that is the parent of routes which send requests to a target of the policy what became of it there.
 * Weft originates no TLS of its own, so that there is no policy it could act upon: it sends nothing where one asks for TLS,
 * as the API demands of a policy whose certificates cannot be used. Policies of Services to which no route of the mesh sends
 * requests are other controllers' alone.
 */
export function judgeBackendTlsPolicy(
  mesh: Mesh,
  policy: BackendTlsPolicy,
): readonly Required<AncestorVerdict>[] {
  const parents = policy.targets
    .map(({ namespace, name }) => serviceKey(namespace, name))
    .flatMap((service) => parentsSendingTo(mesh, service));
  const verdict = lostTo(mesh, policy) ?? refusal(policy);
  return [...new Set(parents)].sort().map((ancestor) => ({ ancestor, ...verdict }));
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
          ({ service: to }) =>
            to !== undefined && serviceKey(to.namespace, to.name) === service && heedsBackendTls(to.from),
        ),
      ),
    )
    .flatMap(({ parents }) => parents.map((parent) => parent.service));
}

type Both = Omit<Required<AncestorVerdict>, 'ancestor'>;

const RESOLVED: Verdict = {
  status: 'True',
  reason: 'ResolvedRefs',
  message: 'The policy refers to no object.',
};

function refusal({ trusts, byReference }: BackendTlsPolicy): Both {
  const why = `Weft does not originate TLS to applications, so it cannot verify a backend with ${trusts.join(', ')}; requests of the mesh's routes to the target are answered with status 500. Let callers speak TLS themselves, through a TLSRoute or TCPRoute, or remove the policy: between proxies there is mutual TLS without it`;
  if (!byReference) return { accepted: refused('Invalid', why), resolvedRefs: RESOLVED };
  return { accepted: refused('NoValidCACertificate', why), resolvedRefs: refused('InvalidKind', why) };
}

/** Older policies have all that this one is about. */
function lostTo(mesh: Mesh, policy: BackendTlsPolicy): Both | undefined {
  const winners = policy.targets.map(({ namespace, name, section = '' }) =>
    backendTlsOn(mesh, serviceKey(namespace, name), { name: section }),
  );
  const [winner] = winners;
  if (winner === undefined || winners.some((one) => one?.ref.uid === policy.ref.uid)) return undefined;
  const { namespace, name } = winner.ref;
  const message = `BackendTLSPolicy ${namespace}/${name} is older and already applies to the target; merge the two or delete one`;
  return { accepted: refused('Conflicted', message), resolvedRefs: refusal(policy).resolvedRefs };
}

function refused(reason: string, message: string): Verdict {
  return { status: 'False', reason, message };
}
