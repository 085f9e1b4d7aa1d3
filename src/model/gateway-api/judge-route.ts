import { followSplit, noSuchPort, tcpPort } from '../backend-ref.js';
import type { Mesh } from '../mesh.js';
import type { Verdict } from '../problem.js';
import type { Service, ServicePort } from '../service.js';
import type { MeshRoute, RouteParent, RouteProblem } from './mesh-route.js';
import { attaches, isFrontend, routeSetOn } from './route-set.js';

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
  const resolvedRefs = judgeRefs(mesh, route);
  return route.parents.map((parent) => {
    const rejection = judgeParent(mesh, route, parent) ?? (whole ? refusal(refused) : undefined);
    const some = rejection === undefined && refusedRules.size > 0;
    return {
      parent,
      accepted: rejection ?? { status: 'True', reason: 'Accepted', message: 'The route is in force.' },
      resolvedRefs,
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

function judgeParent(mesh: Mesh, route: MeshRoute, parent: RouteParent): Verdict | undefined {
  const service = mesh.services.get(parent.service);
  const missing = missingParent(service, parent);
  if (missing !== undefined || service === undefined) {
    return { status: 'False', reason: 'NoMatchingParent', message: missing ?? '' };
  }
  const rivals = service.ports
    .filter((port) => attaches(parent, service, port))
    .map((port) => rivalOn(mesh, route, service, port));
  const [rival] = rivals;
  if (rival === undefined || rivals.includes(undefined)) return undefined;
  const { kind, namespace, name } = rival.ref;
  return {
    status: 'False',
    reason: 'Conflicted',
    message: `${kind} ${namespace}/${name} decides about Service ${parent.service}; where both name a port, GRPCRoutes come before HTTPRoutes`,
  };
}

function rivalOn(mesh: Mesh, route: MeshRoute, service: Service, port: ServicePort): MeshRoute | undefined {
  return routeSetOn(mesh, route.ref.namespace, service, port).find(({ ref }) => ref.kind !== route.ref.kind);
}

function missingParent(service: Service | undefined, parent: RouteParent): string | undefined {
  if (service === undefined) {
    return `Service ${parent.service} does not exist; create it or correct name and namespace`;
  }
  if (!isFrontend(service)) {
    const kind = service.headless ? 'headless' : 'of type ExternalName';
    return `Service ${parent.service} is ${kind} and so has no address of its own whose traffic could be routed; name a Service with a cluster IP`;
  }
  if (service.ports.some((port) => attaches(parent, service, port))) return undefined;
  return missingPort(service, parent);
}

function missingPort(service: Service, parent: RouteParent): string {
  const named = service.ports.filter(
    ({ protocol, name, port }) =>
      protocol === 'TCP' &&
      (parent.port === undefined || parent.port === port) &&
      (parent.portName === undefined || parent.portName === name),
  );
  if (named.length > 0) {
    const ports = named.map(({ port }) => port).join(', ');
    return `port ${ports} of Service ${parent.service} is declared to carry bytes, which have no routes; correct its appProtocol or name`;
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
  message: 'Every reference leads somewhere.',
};

function judgeRefs(mesh: Mesh, route: MeshRoute): Verdict {
  const problems = [
    ...route.problems.filter(({ condition }) => condition === 'ResolvedRefs'),
    ...missingBackends(mesh, route),
  ];
  return problems.length === 0 ? RESOLVED : refusal(problems);
}

function missingBackends(mesh: Mesh, route: MeshRoute): readonly RouteProblem[] {
  return route.rules.flatMap(({ index, route: { split, mirrors = [] } }) =>
    [...split, ...mirrors].flatMap((entry) => {
      if (entry.service === undefined) return [];
      const { invalid } = followSplit(mesh, entry, '', 0);
      if (invalid === undefined) return [];
      return [
        {
          condition: 'ResolvedRefs' as const,
          reason: 'BackendNotFound' as const,
          rule: index,
          field: entry.field,
          message: `${invalid}; until it does, ${split.some((share) => share === entry) ? 'its share of the requests is answered with status 500' : 'nothing is mirrored there'}`,
        },
      ];
    }),
  );
}
