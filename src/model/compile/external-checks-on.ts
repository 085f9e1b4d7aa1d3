import { type DirtyKey, type ServiceKey, dirtySpec, namespaceOf, serviceKey } from '../words/keys.js';
import type { Protocol } from '../words/destination.js';
import type { ExternalCheck, PodExternalCheck } from '../words/external-check.js';
import { canonicalIp } from '../words/ip.js';
import type { Mesh } from '../tables/mesh.js';
import type { PolicyRef } from '../words/policy.js';
import { followService, notPermitted } from './backend-ref.js';
import { type FrontPort, policyOn } from './rate-limits-on.js';

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
    const key = asked(externalCheck);
    if (key !== undefined) depends.add(dirtySpec(key));
    if (asksItself(externalCheck, fronts)) continue;
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
): { readonly reason: string; readonly forbidden: boolean } | undefined {
  if (service === undefined) return { reason: 'cannot be read', forbidden: true };
  const forbidden = notPermitted(mesh, service, namespace);
  if (forbidden !== undefined) return { reason: forbidden, forbidden: true };
  const key = serviceKey(service.namespace, service.name);
  const { invalid } = followService(mesh, key, service.port);
  if (invalid !== undefined) return { reason: invalid, forbidden: false };
  if (clusterIp(mesh, key) !== undefined) return undefined;
  return {
    reason: `Service ${key} has no cluster IP, by which it would be asked; set clusterIP`,
    forbidden: false,
  };
}

/** Whom a pod asks. Nobody may be let in by a reference that is not permitted, whatever the policy says of failures. */
function checkService(
  mesh: Mesh,
  check: ExternalCheck,
  namespace: string,
): Partial<Pick<PodExternalCheck, 'asks' | 'onFailure'>> {
  const problem = checkProblem(mesh, check, namespace);
  const key = asked(check);
  const address = key === undefined ? undefined : clusterIp(mesh, key);
  if (problem === undefined && check.service !== undefined && key !== undefined && address !== undefined) {
    return { asks: { service: key, address, port: check.service.port } };
  }
  return problem?.forbidden === true ? { onFailure: 'deny' } : {};
}

/** Who is asked would be asked about the question, and so on. */
function asksItself({ service }: ExternalCheck, fronts: readonly FrontPort[]): boolean {
  if (service === undefined) return false;
  const key = serviceKey(service.namespace, service.name);
  return fronts.some((front) => front.service === key && front.port === service.port);
}

function asked({ service }: ExternalCheck): ServiceKey | undefined {
  return service === undefined ? undefined : serviceKey(service.namespace, service.name);
}

function clusterIp(mesh: Mesh, key: ServiceKey): string | undefined {
  const service = mesh.services.get(key);
  return canonicalIp(service?.clusterIPs[0] ?? '');
}
