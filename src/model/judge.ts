import { followSplit, noSuchPort, tcpPort, tcpPorts } from './backend-ref.js';
import { attachedTo, routeName, routeSetOn } from './gateway-api/index.js';
import { type ServiceKey, namespaceOf, serviceKey } from './keys.js';
import type { Mesh } from './mesh.js';
import type {
  BackendEntry,
  NamespaceTarget,
  Policy,
  PolicyTarget,
  RouteTarget,
  ServiceTarget,
} from './policy.js';
import type { Problem, Verdict } from './problem.js';
import { contender } from './winner.js';

/** What keeps a policy from acting as written: rivals that win over it and references that lead nowhere. */
export function judge(mesh: Mesh, policy: Policy): readonly Problem[] {
  return [
    ...policy.targets.flatMap((target) => judgeTarget(mesh, policy, target)),
    ...(policy.routeTargets ?? []).flatMap((target) => judgeRouteTarget(mesh, policy, target)),
    ...policy.routes
      .flatMap((route) => route.split)
      .flatMap((entry) =>
        judgeBackend(mesh, policy, entry, 'its share of the requests is answered with status 500'),
      ),
    ...policy.routes
      .flatMap((route) => route.mirrors ?? [])
      .flatMap((entry) => judgeBackend(mesh, policy, entry, 'nothing is mirrored there')),
  ];
}

/** Problems as the content of the two conditions; joins those that `toPolicy` found and those of `judge`. */
export function verdicts(problems: readonly Problem[]): {
  readonly accepted: Verdict;
  readonly resolvedRefs: Verdict;
} {
  return {
    accepted: verdict(problems, 'Accepted', 'The policy is in force.'),
    resolvedRefs: verdict(problems, 'ResolvedRefs', 'Every reference leads somewhere.'),
  };
}

/** The API server refuses longer messages. */
const MESSAGE_LIMIT = 32_768;

function verdict(problems: readonly Problem[], condition: Problem['condition'], good: string): Verdict {
  const own = problems.filter((problem) => problem.condition === condition);
  const [first] = own;
  if (first === undefined) return { status: 'True', reason: condition, message: good };
  const message = own.map((problem) => `${problem.field}: ${problem.message}`).join('\n');
  return { status: 'False', reason: first.reason, message: message.slice(0, MESSAGE_LIMIT) };
}

function judgeTarget(mesh: Mesh, policy: Policy, target: PolicyTarget): Problem[] {
  const missing = missingTarget(mesh, target);
  const winner = contender(mesh, policy.ref.namespace, target);
  return [
    ...(missing === undefined
      ? []
      : [
          {
            condition: 'ResolvedRefs',
            reason: 'TargetNotFound',
            field: target.field,
            message: missing,
          } as const,
        ]),
    ...(winner === undefined || winner.ref.uid === policy.ref.uid
      ? []
      : [conflictOver(sectionText(target), winner, target.field)]),
    ...routesLost(mesh, policy, target),
  ];
}

function judgeRouteTarget(mesh: Mesh, policy: Policy, target: RouteTarget): Problem[] {
  const { field, section } = target;
  const name = routeName(target);
  const problems: Problem[] = [];
  const route = [...mesh.routes.values()].find(({ ref }) => routeName(ref) === name);
  const missing =
    route === undefined
      ? `${name} does not exist; create it or correct the name`
      : section !== undefined && !route.rules.some((rule) => rule.section === section)
        ? `${name} has no rule named ${section}; correct sectionName or leave it out to mean all`
        : undefined;
  if (missing !== undefined) {
    problems.push({ condition: 'ResolvedRefs', reason: 'TargetNotFound', field, message: missing });
  }
  const winner = attachedTo(mesh, target);
  if (winner !== undefined && winner.ref.uid !== policy.ref.uid) {
    const place = section === undefined ? name : `rule ${section} of ${name}`;
    problems.push(conflictOver(place, winner, field));
  }
  return problems;
}

function missingTarget(mesh: Mesh, target: PolicyTarget): string | undefined {
  return target.service === undefined ? missingServices(mesh, target) : missingService(mesh, target);
}

function missingServices(mesh: Mesh, { everyServiceOf }: NamespaceTarget): string | undefined {
  return servicesOf(mesh, everyServiceOf).length > 0
    ? undefined
    : `Namespace ${everyServiceOf} has no Service; create one or correct the name`;
}

function missingService(mesh: Mesh, target: ServiceTarget): string | undefined {
  const service = mesh.services.get(target.service);
  if (service === undefined) {
    return `Service ${target.service} does not exist; create it or correct name and namespace`;
  }
  const known = target.port === undefined || tcpPort(service, target.port) !== undefined;
  return known
    ? undefined
    : `${noSuchPort(service, target.port)}; correct the port or leave it out to mean all`;
}

function conflictOver(place: string, winner: Policy, field: string): Problem {
  const { namespace, name } = winner.ref;
  return {
    condition: 'Accepted',
    reason: 'Conflicted',
    field,
    message: `TrafficPolicy ${namespace}/${name} came first and decides about ${place}; merge the two or delete one`,
  };
}

/** Routes of Gateway API come before those of a policy; the policy says so where that leaves its own no port at all. */
function routesLost(mesh: Mesh, policy: Policy, target: PolicyTarget): Problem[] {
  const service = target.service === undefined ? undefined : mesh.services.get(target.service);
  if (service === undefined || policy.routes.length === 0) return [];
  const sets = service.ports
    .filter(({ protocol, port }) => protocol === 'TCP' && (target.port ?? port) === port)
    .map((port) => routeSetOn(mesh, policy.ref.namespace, service, port));
  const winner = sets[0]?.[0];
  if (winner === undefined || sets.some((set) => set.length === 0)) return [];
  const { kind, namespace, name } = winner.ref;
  return [
    {
      condition: 'Accepted',
      reason: 'Conflicted',
      field: 'spec.routes',
      message: `${kind} ${namespace}/${name} decides about the routes of ${sectionText(target)}; remove the routes here or delete the ${kind}. What else the policy says is in force`,
    },
  ];
}

function sectionText(target: PolicyTarget): string {
  const whole =
    target.service === undefined
      ? `the defaults of Namespace ${target.everyServiceOf}`
      : `Service ${target.service}`;
  return target.port === undefined ? whole : `port ${target.port} of ${whole}`;
}

/** A reference without a port has to lead somewhere from every port that the policy acts on. */
function judgeBackend(mesh: Mesh, policy: Policy, entry: BackendEntry, until: string): Problem[] {
  const { service: reference } = entry;
  if (reference === undefined) return [];
  const reasons = policy.targets
    .flatMap((target) => serviceTargets(mesh, target))
    .flatMap((target) =>
      portsOf(mesh, target, entry).map((port) => followSplit(mesh, entry, target.service, port).invalid),
    )
    .filter((reason) => reason !== undefined);
  return [...new Set(reasons)].map((reason) => ({
    condition: 'ResolvedRefs',
    reason: 'BackendNotFound',
    field: `${entry.field}.service`,
    message: `${reason}; until it does, ${until}`,
  }));
}

/** A target as the Services that it means. */
function serviceTargets(mesh: Mesh, target: PolicyTarget): readonly ServiceTarget[] {
  if (target.service !== undefined) return [target];
  const { everyServiceOf, ...place } = target;
  return servicesOf(mesh, everyServiceOf).map((service) => ({ ...place, service }));
}

function servicesOf(mesh: Mesh, namespace: string): readonly ServiceKey[] {
  return [...mesh.services.keys()].filter((key) => namespaceOf(key) === namespace);
}

/** Ports that the policy acts on. Where the target does not exist, any port tells whether the backend does. */
function portsOf(mesh: Mesh, target: ServiceTarget, entry: BackendEntry): readonly number[] {
  if (target.port !== undefined) return [target.port];
  const { namespace, name } = entry.service ?? { namespace: '', name: '' };
  const service = mesh.services.get(target.service) ?? mesh.services.get(serviceKey(namespace, name));
  return service === undefined ? [0] : tcpPorts(service);
}
