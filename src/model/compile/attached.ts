import type { Mesh } from '../tables/mesh.js';
import type { Policy } from '../words/policy.js';
import { compare } from './winner.js';
import { type MeshRoute, type RouteRule, routeName } from '../words/mesh-route.js';

/** A part of a route that policies compete for: one rule by name, or every rule that no other policy names. */
interface Section {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly section?: string;
}

/** What a rule does with what the policy on it adds. The policy comes first where both say something. */
export function actingAs(mesh: Mesh, { ref }: MeshRoute, { section, route }: RouteRule): RouteRule['route'] {
  const { kind, namespace, name } = ref;
  const whole = { kind, namespace, name };
  const policy =
    (section === undefined ? undefined : attachedTo(mesh, { ...whole, section })) ?? attachedTo(mesh, whole);
  const [added] = policy?.routes ?? [];
  if (added === undefined) return route;
  const { name: _name, matches: _matches, split: _split, actions, timeouts, ...rest } = added;
  // Of what a route does the policy can add this only; the rest is the route's own to say.
  const cors = actions?.cors;
  const more = cors === undefined ? {} : { actions: { ...route.actions, cors } };
  const bounds = timeouts === undefined ? {} : { timeouts: { ...route.timeouts, ...timeouts } };
  return { ...route, ...rest, ...more, ...bounds };
}

/** The policy that wins a section over all others: the oldest, then the first by name. */
export function attachedTo(mesh: Mesh, wanted: Section): Policy | undefined {
  const names = ({ routeTargets = [] }: Policy): boolean =>
    routeTargets.some(
      (target) => routeName(target) === routeName(wanted) && target.section === wanted.section,
    );
  return mesh
    .policiesOnRoute(routeName(wanted))
    .filter(names)
    .sort(
      (a, b) => compare(a.ref.creationTimestamp, b.ref.creationTimestamp) || compare(a.ref.name, b.ref.name),
    )[0];
}
