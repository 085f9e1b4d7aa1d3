import type { MeshRoute } from '../words/mesh-route.js';
import type { DirtyKey, ServiceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy, PolicyRef } from '../words/policy.js';

/** Policies whose verdict (`judge`) may be another after a change. */
export function policiesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly Policy[] {
  const found = new Set<Policy>();
  for (const key of dirty) {
    const { service, route } = named(key);
    if (service !== undefined) for (const policy of mesh.policiesAbout(service)) found.add(policy);
    if (route !== undefined) for (const policy of mesh.policiesOnRoute(route)) found.add(policy);
    // Issuers of tokens come and go with the rules about access.
    if (key.startsWith(ACCESS))
      for (const policy of mesh.policiesCountingClaimsIn(key.slice(ACCESS.length))) found.add(policy);
    if (key.startsWith(EGRESS))
      for (const policy of mesh.policiesLimitingCallsFrom(key.slice(EGRESS.length))) found.add(policy);
  }
  return [...found];
}

/** Routes whose verdict (`judgeRoute`) may be another after a change. */
export function routesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly MeshRoute['ref'][] {
  const found = new Set<MeshRoute['ref']>();
  for (const key of dirty) {
    const { service } = named(key);
    if (service !== undefined) for (const { ref } of mesh.routesAbout(service)) found.add(ref);
  }
  return [...found];
}

/** XBackendTrafficPolicies whose verdict (`judgeBackendPolicy`) may be another after a change. */
export function backendPoliciesAbout(mesh: Mesh, dirty: Iterable<DirtyKey>): readonly PolicyRef[] {
  const found = new Set<PolicyRef>();
  for (const key of dirty) {
    const { service } = named(key);
    if (service !== undefined) for (const { ref } of mesh.backendPoliciesOn(service)) found.add(ref);
  }
  return [...found];
}

const ACCESS = 'access/';
const EGRESS = 'egress/';
const SPEC = 'spec/';
const ROUTE = 'route/';

/** The Service about which something changed that verdicts depend on. */
export function serviceOf(key: DirtyKey): ServiceKey | undefined {
  return named(key).service;
}

/** Endpoints and pods, which change all the time, change no verdict. */
function named(key: DirtyKey): { readonly service?: ServiceKey; readonly route?: string } {
  if (key.startsWith(SPEC)) return { service: key.slice(SPEC.length) };
  return key.startsWith(ROUTE) ? { route: key.slice(ROUTE.length) } : {};
}
