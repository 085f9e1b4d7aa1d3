import type { ServiceKey } from './keys.js';
import type { PolicyRef, PolicyRoute, RouteMatch } from './policy.js';

/** A route of Gateway API that names Services as parents, read from its object. */
export interface MeshRoute {
  readonly ref: PolicyRef & { readonly kind: RouteKind };
  readonly parents: readonly RouteParent[];
  /** Those that can be told apart from others, in the order of the object; one that cannot act answers 500. */
  readonly rules: readonly RouteRule[];
  /** What the object shows by itself; what only the rest of the mesh shows comes from `judgeRoute`. */
  readonly problems: readonly RouteProblem[];
  /** What works and should be written otherwise; the status of an accepted route repeats them. */
  readonly notes?: readonly string[];
  /** How many rules the object has. */
  readonly written: number;
}

export type RouteKind = 'GRPCRoute' | 'HTTPRoute' | 'TLSRoute' | 'TCPRoute';

/** Whether routes of a kind choose for connections and look into none, as against routes for requests. */
export function isForConnections(kind: RouteKind): kind is 'TLSRoute' | 'TCPRoute' {
  return kind === 'TLSRoute' || kind === 'TCPRoute';
}

/** `<kind> <namespace>/<name>`: what policies call a route, whatever its uid. */
export function routeName(route: {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}): string {
  return `${route.kind} ${route.namespace}/${route.name}`;
}

/** A Service whose traffic the route takes over. */
export interface RouteParent {
  readonly service: ServiceKey;
  /** Absent: every port. */
  readonly port?: number;
  /** Name of the port, from `sectionName`. */
  readonly portName?: string;
  /** As the user wrote it; the status repeats it. */
  readonly written: Readonly<Record<string, string | number>>;
}

export interface RouteRule {
  /** Place in `spec.rules`. */
  readonly index: number;
  /** What `sectionName` of a policy means. */
  readonly section?: string;
  readonly route: Omit<PolicyRoute, 'matches'>;
  readonly matches: readonly RankedMatch[];
}

/** A condition with its precedence: of two that hold, the one whose first different number is the greater is taken. */
export interface RankedMatch {
  readonly match: RouteMatch;
  readonly rank: readonly number[];
}

/** Something wrong with a rule, in the words of the condition that tells it. */
export interface RouteProblem {
  readonly condition: 'Accepted' | 'ResolvedRefs';
  readonly reason:
    'UnsupportedValue' | 'IncompatibleFilters' | 'InvalidKind' | 'BackendNotFound' | 'RefNotPermitted';
  /** Place in `spec.rules`. */
  readonly rule: number;
  readonly field: string;
  /** What is wrong and what to do, for a person. */
  readonly message: string;
}
