import { BUDGET } from '../words/budget.js';
import { type BackendRef, followSplit, noSuchPort, tcpPort } from '../compile/backend-ref.js';
import type { Mesh } from '../tables/mesh.js';
import type { Verdict } from '../words/problem.js';
import type { Service, ServicePort } from '../words/service.js';
import {
  type MeshRoute,
  type RouteKind,
  type RouteParent,
  type RouteProblem,
  isForConnections,
  routeName,
} from '../words/mesh-route.js';
import { fitting } from '../compile/fitting.js';
import { attaches, isFrontend, routeSetOn } from '../compile/route-set.js';
import { type TakenNames, takenNames } from './taken-names.js';

/** What became of a route at one of its parents. */
export interface ParentVerdict {
  readonly parent: RouteParent;
  readonly accepted: Verdict;
  readonly resolvedRefs: Verdict;
  /** Present only when some rules act and others do not. */
  readonly partiallyInvalid?: Verdict;
}

/** The conditions of a route at each parent that is a Service, in the words of Gateway API. */
export function judgeRoute(mesh: Mesh, route: MeshRoute): readonly ParentVerdict[] {
  const refused = route.problems.filter(({ condition }) => condition === 'Accepted');
  const refusedRules = new Set(refused.map(({ rule }) => rule));
  const whole = refusedRules.size > 0 && refusedRules.size === route.written;
  return route.parents.map((parent) => {
    const rejection = judgeParent(mesh, route, parent) ?? (whole ? refusal(refused) : undefined);
    const some = rejection === undefined && refusedRules.size > 0;
    return {
      parent,
      accepted: rejection ?? accepted(mesh, route, parent),
      resolvedRefs: judgeRefs(mesh, route, parent),
      ...(some ? { partiallyInvalid: partly(refused, refusedRules) } : {}),
    };
  });
}

/** The API server refuses longer messages. */
const MESSAGE_LIMIT = 32_768;

function refusal(problems: readonly RouteProblem[]): Verdict {
  return { status: 'False', reason: problems[0]?.reason ?? 'UnsupportedValue', message: told(problems) };
}

/** The API wants this beginning. */
function partly(problems: readonly RouteProblem[], rules: ReadonlySet<number>): Verdict {
  const message = `Dropped Rule ${[...rules].join(', ')}: ${told(problems)}`;
  return { status: 'True', reason: 'UnsupportedValue', message: message.slice(0, MESSAGE_LIMIT) };
}

function told(problems: readonly RouteProblem[]): string {
  return problems
    .map(({ field, message }) => `${field}: ${message}`)
    .join('\n')
    .slice(0, MESSAGE_LIMIT);
}

/** A route that acts says which connections it leaves to older ones. */
function accepted(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict {
  const told = new Set(takenAt(mesh, route, parent).flatMap((taken) => taken?.told ?? []));
  const inForce =
    told.size === 0
      ? 'The route is in force.'
      : `The route is in force, except for what older routes of the same port have: ${[...told].join(', ')}.`;
  const message = [inForce, ...(route.notes ?? [])].join('\n').slice(0, MESSAGE_LIMIT);
  return { status: 'True', reason: 'Accepted', message };
}

function judgeParent(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict | undefined {
  const service = mesh.services.get(parent.service);
  const missing = missingParent(service, route, parent);
  if (missing !== undefined || service === undefined) {
    return { status: 'False', reason: 'NoMatchingParent', message: missing ?? '' };
  }
  const rivals = portsOf(mesh, route, parent).map((port) => rivalOn(mesh, route, service, port));
  const [rival] = rivals;
  if (rival === undefined || rivals.includes(undefined)) {
    return tooLarge(mesh, route, parent) ?? nothingLeft(mesh, route, parent);
  }
  return conflicted(
    `${routeName(rival.ref)} already routes Service ${parent.service}; on the same port GRPCRoutes take precedence, then HTTPRoutes, TLSRoutes and TCPRoutes`,
  );
}

function conflicted(message: string): Verdict {
  return { status: 'False', reason: 'Conflicted', message };
}

/** The ports of a parent that a route is about. */
function portsOf(mesh: Mesh, route: MeshRoute, parent: RouteParent): readonly ServicePort[] {
  const service = mesh.services.get(parent.service);
  return service?.ports.filter((port) => attaches(route.ref.kind, parent, { service, port })) ?? [];
}

/** The routes of each of these ports that act, where this one does. */
function setsWith(mesh: Mesh, route: MeshRoute, parent: RouteParent): readonly (readonly MeshRoute[])[] {
  const service = mesh.services.get(parent.service);
  if (service === undefined) return [];
  return portsOf(mesh, route, parent)
    .map((port) => routeSetOn(mesh, route.ref.namespace, service, port))
    .filter((set) => set.includes(route));
}

function takenAt(mesh: Mesh, route: MeshRoute, parent: RouteParent): readonly (TakenNames | undefined)[] {
  return setsWith(mesh, route, parent).map((set) => takenNames(route, fitting(set)));
}

/** Older routes have every connection that it is about. */
function nothingLeft(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict | undefined {
  const taken = takenAt(mesh, route, parent);
  const told = new Set(taken.flatMap((one) => one?.told ?? []));
  if (taken.length === 0 || !taken.every((one) => one?.all)) return undefined;
  return conflicted(
    `older routes of Service ${parent.service} have every connection that this one is about: ${[...told].join(', ')}; merge them or delete one`,
  );
}

/** It does not fit beside older routes into what a destination may hold. */
function tooLarge(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict | undefined {
  const sets = setsWith(mesh, route, parent);
  if (sets.length === 0 || sets.some((set) => fitting(set).includes(route))) return undefined;
  return {
    status: 'False',
    reason: 'TooLarge',
    message: `with the older routes of Service ${parent.service} it exceeds the size limits of a destination: ${BUDGET.matches} matches, ${BUDGET.expressions} regular expressions and ${BUDGET.routeBytes} bytes; use fewer`,
  };
}

function rivalOn(mesh: Mesh, route: MeshRoute, service: Service, port: ServicePort): MeshRoute | undefined {
  return routeSetOn(mesh, route.ref.namespace, service, port).find(({ ref }) => ref.kind !== route.ref.kind);
}

function missingParent(
  service: Service | undefined,
  { ref: { kind } }: MeshRoute,
  parent: RouteParent,
): string | undefined {
  if (service === undefined) {
    return `Service ${parent.service} does not exist; create it, or correct the name and namespace`;
  }
  if (!isFrontend(service)) {
    const what = service.headless ? 'headless' : 'of type ExternalName';
    return `Service ${parent.service} is ${what} and so has no address of its own whose traffic could be routed; name a Service with a cluster IP`;
  }
  if (service.ports.some((port) => attaches(kind, parent, { service, port }))) return undefined;
  return missingPort(service, kind, parent);
}

function missingPort(service: Service, kind: RouteKind, parent: RouteParent): string {
  const named = service.ports.filter(
    ({ protocol, name, port }) =>
      protocol === 'TCP' &&
      (parent.port === undefined || parent.port === port) &&
      (parent.portName === undefined || parent.portName === name),
  );
  if (named.length > 0) {
    const ports = named.map(({ port }) => port).join(', ');
    const why = isForConnections(kind)
      ? `is declared as HTTP, so that connections are not all there is to it; use an HTTPRoute or GRPCRoute`
      : `is declared as opaque, so it has no requests to route; use a TCPRoute or TLSRoute`;
    return `port ${ports} of Service ${parent.service} ${why}, or correct its appProtocol or name`;
  }
  if (parent.port !== undefined && tcpPort(service, parent.port) === undefined) {
    return `${noSuchPort(service, parent.port)}; correct the port or leave it out to mean all`;
  }
  const name = parent.portName === undefined ? '' : ` named ${parent.portName}`;
  return `Service ${parent.service} has no TCP port${name}`;
}

const RESOLVED: Verdict = {
  status: 'True',
  reason: 'ResolvedRefs',
  message: 'All references are resolved.',
};

function judgeRefs(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict {
  const problems = [
    ...route.problems.filter(({ condition }) => condition === 'ResolvedRefs'),
    ...missingBackends(mesh, route, parent),
  ];
  return problems.length === 0 ? RESOLVED : refusal(problems);
}

function missingBackends(mesh: Mesh, route: MeshRoute, parent: RouteParent): readonly RouteProblem[] {
  return route.rules.flatMap(({ index, route: { split, mirrors = [] } }) =>
    [...split, ...mirrors].flatMap((entry) => {
      if (entry.service === undefined) return [];
      const ref = followSplit(mesh, entry, parent.service, 0);
      if (ref.invalid === undefined) return [];
      return [
        {
          condition: 'ResolvedRefs' as const,
          reason: reasonOf(ref),
          rule: index,
          field: entry.field,
          message: `${ref.invalid}; until it does, ${until(
            route,
            split.some((share) => share === entry),
          )}`,
        },
      ];
    }),
  );
}

function reasonOf({
  forbidden,
  unsupported,
}: Extract<BackendRef, { invalid: string }>): RouteProblem['reason'] {
  if (unsupported === true) return 'UnsupportedValue';
  return forbidden === true ? 'RefNotPermitted' : 'BackendNotFound';
}

function until({ ref: { kind } }: MeshRoute, isShare: boolean): string {
  if (!isShare) return 'nothing is mirrored there';
  return isForConnections(kind)
    ? 'its share of the connections is reset'
    : 'its share of the requests is answered with status 500';
}
