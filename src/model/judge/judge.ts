import { followSplit, noSuchPort, tcpPort, tcpPorts } from '../compile/backend-ref.js';
import { claimOf } from '../compile/counted-claims.js';
import { attachedTo } from '../compile/attached.js';
import { routeName } from '../words/mesh-route.js';
import { routeSetOn } from '../compile/route-set.js';
import { serviceKey } from '../words/keys.js';
import type { Mesh } from '../tables/mesh.js';
import type {
  BackendEntry,
  NamespaceTarget,
  Policy,
  PolicyTarget,
  RouteTarget,
  ServiceTarget,
} from '../words/policy.js';
import type { Problem, Verdict } from '../words/problem.js';
import { declaredProtocol } from '../words/protocol.js';
import { checkProblem, isChecked } from '../compile/external-checks-on.js';
import { isLimited, taking } from '../compile/rate-limits-on.js';
import { judgeCallees } from './judge-callees.js';
import { judgeCounting } from './judge-counting.js';
import { contender } from '../compile/winner.js';

/** What keeps a policy from acting as written: rivals that win over it and references that lead nowhere. */
export function judge(mesh: Mesh, policy: Policy): readonly Problem[] {
  return [
    ...policy.targets.flatMap((target) => judgeTarget(mesh, policy, target)),
    ...(policy.routeTargets ?? []).flatMap((target) => judgeRouteTarget(mesh, policy, target)),
    ...claimsLost(mesh, policy),
    ...policy.routes
      .flatMap((route) => route.split)
      .flatMap((entry) =>
        judgeBackend(mesh, policy, entry, 'its share of the requests is answered with status 500'),
      ),
    ...policy.routes
      .flatMap((route) => route.mirrors ?? [])
      .flatMap((entry) => judgeBackend(mesh, policy, entry, 'nothing is mirrored there')),
    ...judgeCheck(mesh, policy),
    ...judgeCounting(mesh, policy),
    ...judgeCallees(mesh, policy),
  ];
}

/** Whether any of a policy acts: it wins at least one of its targets, whatever it loses beside. */
export function isInForce(mesh: Mesh, policy: Policy): boolean {
  const { targets, routeTargets = [], ref } = policy;
  return (
    targets.some((target) => contender(mesh, ref.namespace, target)?.ref.uid === ref.uid) ||
    routeTargets.some((target) => attachedTo(mesh, target)?.ref.uid === ref.uid)
  );
}

/**
 * Problems as the content of the two conditions; joins those that `toPolicy` found and those of `judge`. `notes` say
 * what works and should be written otherwise; a policy that is accepted repeats them.
 */
export function verdicts(
  problems: readonly Problem[],
  notes: readonly string[] = [],
): {
  readonly accepted: Verdict;
  readonly resolvedRefs: Verdict;
} {
  return {
    accepted: verdict(problems, 'Accepted', ['The policy is in force.', ...notes].join('\n')),
    resolvedRefs: verdict(problems, 'ResolvedRefs', 'All references are resolved.'),
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
    ...limitsLost(mesh, policy, target),
    ...checkLost(mesh, policy, target),
  ];
}

function judgeRouteTarget(mesh: Mesh, policy: Policy, target: RouteTarget): Problem[] {
  const { field, section } = target;
  const name = routeName(target);
  const problems: Problem[] = [];
  const route = mesh.routeNamed(name);
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
  return mesh.servicesIn(everyServiceOf).length > 0
    ? undefined
    : `Namespace ${everyServiceOf} has no Service; create one or correct the name`;
}

function missingService(mesh: Mesh, target: ServiceTarget): string | undefined {
  const service = mesh.services.get(target.service);
  if (service === undefined) {
    return `Service ${target.service} does not exist; create it, or correct the name and namespace`;
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
    message: `TrafficPolicy ${namespace}/${name} is older and already applies to ${place}; merge the two or delete one`,
  };
}

/** A limit counts requests; a policy says so where no port of its target is known to carry any. */
function limitsLost(mesh: Mesh, policy: Policy, target: PolicyTarget): Problem[] {
  const service = target.service === undefined ? undefined : mesh.services.get(target.service);
  if (service === undefined || taking(policy).length === 0) return [];
  const ports = service.ports.filter(
    ({ protocol, port }) => protocol === 'TCP' && (target.port ?? port) === port,
  );
  const limited = ports.some((port) => isLimited(declaredProtocol(port), [target], port.port));
  if (ports.length === 0 || limited) return [];
  const listed = ports.map(({ port }) => port).join(', ');
  const message = `counts requests, and Service ${target.service} does not say that port ${listed} carries HTTP; set appProtocol, or name the port in targetRefs`;
  return [{ condition: 'Accepted', reason: 'Invalid', field: 'spec.rateLimit', message }];
}

/** Claims of tokens that nobody is known to sign. */
function claimsLost(mesh: Mesh, { ref, rateLimits = [] }: Policy): Problem[] {
  const claims = rateLimits.flatMap(({ key }, limit) =>
    key.flatMap((part, place) => claimOf(part).map(({ issuer }) => ({ issuer, limit, place }))),
  );
  if (claims.length === 0) return [];
  const { trusted } = mesh.accessIn(ref.namespace);
  return claims
    .filter(({ issuer }) => !trusted.has(issuer))
    .map(({ issuer, limit, place }) => ({
      condition: 'ResolvedRefs',
      reason: 'IssuerNotFound',
      field: `spec.rateLimit[${limit}].key[${place}].claim.issuer`,
      message: `there is no JwtIssuer in ${ref.namespace} with issuer ${issuer} that can be read; create it, or correct the name; until then requests are not told apart by the claim`,
    }));
}

/** A check asks about requests; a policy says so where its target carries none. */
function checkLost(mesh: Mesh, { externalCheck }: Policy, target: PolicyTarget): Problem[] {
  const service = target.service === undefined ? undefined : mesh.services.get(target.service);
  if (service === undefined || externalCheck === undefined) return [];
  const ports = service.ports.filter(
    ({ protocol, port }) => protocol === 'TCP' && (target.port ?? port) === port,
  );
  if (ports.length === 0 || ports.some((port) => isChecked(declaredProtocol(port)))) return [];
  const listed = ports.map(({ port }) => port).join(', ');
  const message = `asks about requests, and Service ${target.service} says that port ${listed} carries bytes, which nobody is asked about; correct its appProtocol or target another port`;
  return [{ condition: 'Accepted', reason: 'Invalid', field: 'spec.externalAuthorization', message }];
}

function judgeCheck(mesh: Mesh, { ref, externalCheck }: Policy): Problem[] {
  const problem =
    externalCheck?.service === undefined ? undefined : checkProblem(mesh, externalCheck, ref.namespace);
  if (problem === undefined) return [];
  const { reason, forbidden } = problem;
  const opens = !forbidden && externalCheck?.onFailure === 'allow';
  const until = opens ? 'requests pass unchecked, as onFailure says' : 'every request is refused';
  return [
    {
      condition: 'ResolvedRefs',
      reason: forbidden ? 'RefNotPermitted' : 'BackendNotFound',
      field: 'spec.externalAuthorization.service',
      message: `${reason}; until it does, ${externalCheck?.dryRun === true ? 'nothing is checked' : until}`,
    },
  ];
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
      message: `${kind} ${namespace}/${name} already routes ${sectionText(target)}; remove the routes here or delete the ${kind}. The rest of the policy is in force`,
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
      portsOf(mesh, target, entry).map((port) => followSplit(mesh, entry, target.service, port)),
    )
    .flatMap((ref) => (ref.invalid === undefined ? [] : [[ref.invalid, ref.forbidden === true] as const]));
  return [...new Map(reasons)].map(([reason, forbidden]) => ({
    condition: 'ResolvedRefs',
    reason: forbidden ? 'RefNotPermitted' : 'BackendNotFound',
    field: `${entry.field}.service`,
    message: `${reason}; until it does, ${until}`,
  }));
}

/** A target as the Services that it means. */
function serviceTargets(mesh: Mesh, target: PolicyTarget): readonly ServiceTarget[] {
  if (target.service !== undefined) return [target];
  const { everyServiceOf, ...place } = target;
  return mesh.servicesIn(everyServiceOf).map((service) => ({ ...place, service }));
}

/** Ports that the policy acts on. Where the target does not exist, any port tells whether the backend does. */
function portsOf(mesh: Mesh, target: ServiceTarget, entry: BackendEntry): readonly number[] {
  if (target.port !== undefined) return [target.port];
  const { namespace, name } = entry.service ?? { namespace: '', name: '' };
  const service = mesh.services.get(target.service) ?? mesh.services.get(serviceKey(namespace, name));
  return service === undefined ? [0] : tcpPorts(service);
}
