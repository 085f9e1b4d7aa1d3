import { actingAs } from './attached.js';
import { type MeshRoute, type RouteKind, routeName } from '../words/mesh-route.js';
import { fitting } from './fitting.js';
import { mergeRoutes } from './merge.js';
import { routeSetOn } from './route-set.js';
import { serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type { Policy, PolicyRef, PolicyRoute } from '../words/policy.js';
import type { Service, ServicePort } from '../words/service.js';
import { defaultOn, winnerOn } from './winner.js';

/** What people have asked for the traffic of a namespace to a port of a Service. */
export interface Decided {
  /** Namespace whose words differ from those of the Service's own; `-` where there are none. */
  readonly consumer: string;
  /** First match wins. Empty: one route that matches everything and goes to the Service itself. */
  readonly routes: () => readonly PolicyRoute[];
  /** What the routes are, where they are of Gateway API: what such are not about keeps its own way. */
  readonly kind: RouteKind | undefined;
  /** Gives what no route says. */
  readonly policy: Policy | undefined;
  /** Everything whose words are in it. */
  readonly sources: readonly PolicyRef[];
}

/** What one namespace says about a port. */
interface Words {
  readonly set: readonly MeshRoute[];
  readonly policy: Policy | undefined;
  /** The policy on the Service's namespace, for where none is on the Service itself. */
  readonly byDefault: Policy | undefined;
}

/**
 * Whose routes win: in a namespace GRPCRoutes, then HTTPRoutes, TLSRoutes, TCPRoutes, then the routes of a TrafficPolicy. A consumer's
 * namespace comes before the producer's, and the two never merge (GEP-1426, multiple routes for a Service). A
 * TrafficPolicy replaces the producer's whole, but one without routes leaves the producer's HTTPRoutes in force. What is on
 * the Service itself, whoever wrote it, comes before every default of a namespace: a default must not undo what somebody
 * said about this very Service.
 */
export function decide(mesh: Mesh, service: Service, port: ServicePort, consumerNamespace: string): Decided {
  const producer = wordsOf(mesh, service.namespace, service, port);
  const own =
    consumerNamespace === service.namespace ? NOTHING : wordsOf(mesh, consumerNamespace, service, port);
  const policy = own.policy ?? producer.policy ?? own.byDefault ?? producer.byDefault;
  const set = winningSet(own, producer);
  const attached = set.flatMap(({ ref }) => mesh.policiesOnRoute(routeName(ref)));
  const policies = new Set([...attached, ...(policy === undefined ? [] : [policy])]);
  return {
    consumer: own.set.length > 0 || isOf(own, policy) ? consumerNamespace : '-',
    routes: () =>
      set.length > 0
        ? mergeRoutes(set, (route, rule) => actingAs(mesh, route, rule))
        : (policy?.routes ?? []),
    kind: set[0]?.ref.kind,
    policy,
    sources: [...set, ...policies].map(({ ref }) => ref),
  };
}

const NOTHING: Words = { set: [], policy: undefined, byDefault: undefined };

function isOf({ policy, byDefault }: Words, winner: Policy | undefined): boolean {
  return winner !== undefined && (winner === policy || winner === byDefault);
}

function wordsOf(mesh: Mesh, namespace: string, service: Service, port: ServicePort): Words {
  const key = serviceKey(service.namespace, service.name);
  return {
    set: fitting(routeSetOn(mesh, namespace, service, port)),
    policy: winnerOn(mesh, namespace, key, port.port),
    byDefault: defaultOn(mesh, namespace, key, port.port),
  };
}

function winningSet(own: Words, producer: Words): readonly MeshRoute[] {
  if (own.set.length > 0) return own.set;
  return (own.policy?.routes.length ?? 0) > 0 ? [] : producer.set;
}
