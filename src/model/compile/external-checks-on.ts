import { type DirtyKey, dirtySpec, namespaceOf } from '../words/keys.js';
import type { Protocol } from '../words/destination.js';
import type { ExternalCheck, PodExternalCheck } from '../words/external-check.js';
import type { Mesh } from '../tables/mesh.js';
import type { PolicyRef } from '../words/policy.js';
import { type AskProblem, type FrontPort, askedService, isAmong, isProblem, keyOf } from './asked-service.js';
import { policyOn } from './rate-limits-on.js';

/** Who else is asked about requests to one port of a pod. */
export interface ExternalChecks {
  readonly checks: readonly PodExternalCheck[];
  /** The policies that want it. */
  readonly sources: readonly PolicyRef[];
  /** Ask again when one of these gets dirty; what the policies of the Services are is asked again anyway. */
  readonly depends: readonly DirtyKey[];
}

/**
 * The checks of every Service in front of a port that speaks `protocol`, since a request does not say by which of them it came. All
 * must agree. The policy of a port is the one that acts there for callers in the Service's own namespace.
 *
 * A checked port is read request by request, also where nobody says what it speaks: bytes cannot be asked about, so that they would
 * be a way around the check. Only a port that is declared as bytes has none.
 */
export function externalChecksOn(
  mesh: Mesh,
  protocol: Protocol,
  fronts: readonly FrontPort[],
): ExternalChecks {
  if (!isChecked(protocol)) return { checks: [], sources: [], depends: [] };
  const acting = new Map<string, { readonly check: PodExternalCheck; readonly source: PolicyRef }>();
  const depends = new Set<DirtyKey>();
  for (const { service, port } of fronts) {
    const policy = policyOn(mesh, service, port);
    if (policy?.externalCheck === undefined) continue;
    const { ref, externalCheck } = policy;
    if (externalCheck.service !== undefined) depends.add(dirtySpec(keyOf(externalCheck.service)));
    if (externalCheck.service !== undefined && isAmong(externalCheck.service, fronts)) continue;
    const { service: _asked, ...check } = externalCheck;
    const found = checkService(mesh, externalCheck, namespaceOf(service));
    acting.set(ref.uid, {
      check: { ...check, policy: `${ref.namespace}/${ref.name}`, ...found },
      source: ref,
    });
  }
  const all = [...acting.values()];
  return {
    checks: all.map(({ check }) => check),
    sources: all.map(({ source }) => source),
    depends: [...depends],
  };
}

/** Whether checks apply to a port that speaks `protocol`. */
export function isChecked(protocol: Protocol): boolean {
  return protocol !== 'opaque';
}

/** Why nobody can be asked on behalf of Services of `namespace`; undefined: somebody can. */
export function checkProblem(
  mesh: Mesh,
  { service }: ExternalCheck,
  namespace: string,
): AskProblem | undefined {
  if (service === undefined) return { reason: 'cannot be read', forbidden: true };
  const asked = askedService(mesh, service, namespace);
  return isProblem(asked) ? asked : undefined;
}

/** Whom a pod asks. Nobody may be let in by a reference that is not permitted, whatever the policy says of failures. */
function checkService(
  mesh: Mesh,
  { service }: ExternalCheck,
  namespace: string,
): Partial<Pick<PodExternalCheck, 'asks' | 'onFailure'>> {
  if (service === undefined) return { onFailure: 'deny' };
  const asked = askedService(mesh, service, namespace);
  if (!isProblem(asked)) return { asks: asked };
  return asked.forbidden ? { onFailure: 'deny' } : {};
}
