import { type TrafficPolicy, findUnsupported, trafficPolicy, violations } from '../../api/index.js';
import { names } from '../../base/index.js';
import { costOf, excess, joined, matchesCost } from '../words/budget.js';
import { serviceKey } from '../words/keys.js';
import {
  type MirrorEntry,
  type Policy,
  type PolicyRoute,
  type PolicyTarget,
  type Retries,
  type RouteTarget,
  type SplitEntry,
  type Timeouts,
} from '../words/policy.js';
import type { Problem } from '../words/problem.js';
import { translateFault } from './to-fault.js';
import { translateMatch } from './to-match.js';
import { translateLoadBalancer } from './to-load-balancer.js';
import {
  IDEMPOTENT,
  positiveMs,
  translateBudget,
  translateHedging,
  translateLimits,
  translateOutliers,
} from './to-resilience.js';
import { translateExternalCheck } from './to-external-check.js';
import { translateRateLimits } from './to-rate-limit.js';
import { translateLogChoice } from './to-access-log.js';
import { translatePortion } from './to-portion.js';
import { translateSession } from './to-session.js';
import { translateActions, translateHeaders } from './to-route-actions.js';

/**
 * A TrafficPolicy object as the API server stores it, in terms of the mesh. `policy` is absent when a problem makes
 * it unfit to act on; keep the last good one then, its status says so. Problems that only the rest of the mesh shows
 * come from `judge`.
 */
export function toPolicy(object: unknown): {
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
} {
  const problems = [...violations(trafficPolicy, object), ...findUnsupported(trafficPolicy, object)].map(
    toProblem,
  );
  const parsed = trafficPolicy.schema.safeParse(object);
  if (parsed.success) problems.push(...foreignRoutes(parsed.data), ...foreignFields(parsed.data));
  if (problems.length > 0 || !parsed.success) return { problems };
  const policy = translate(parsed.data);
  const limits = matchesCost((policy.rateLimits ?? []).flatMap(({ matches = [] }) => matches));
  const over = excess(joined(costOf(policy.routes), limits));
  return over === undefined ? { policy, problems } : { problems: [tooLarge(over)] };
}

function tooLarge(over: string): Problem {
  const message = `holds ${over}; every caller of the Service would have to keep them: use fewer, or prefixes instead of expressions`;
  return { condition: 'Accepted', reason: 'TooLarge', field: 'spec.routes', message };
}

function toProblem({ path, message }: { readonly path: string; readonly message: string }): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field: path, message };
}

type Spec = TrafficPolicy['spec'];
type ApiRoute = NonNullable<Spec['routes']>[number];
type ApiSplit = NonNullable<ApiRoute['split']>[number];
type ApiMirror = NonNullable<ApiRoute['mirror']>[number];

function translate({ metadata, spec }: TrafficPolicy): Policy {
  const namespace = metadata.namespace ?? 'default';
  return {
    ref: {
      kind: 'TrafficPolicy',
      namespace,
      name: metadata.name,
      uid: metadata.uid ?? '',
      generation: metadata.generation ?? 0,
      creationTimestamp: metadata.creationTimestamp ?? '',
    },
    ...translateTargets(spec.targetRefs, namespace),
    routes: (spec.routes ?? []).map((route, index) =>
      translateRoute(route, index, { namespace, name: metadata.name }),
    ),
    ...translateOutliers(spec.circuitBreaker),
    ...translateLimits(spec.circuitBreaker),
    ...translateRateLimits(spec.rateLimit, namespace),
    ...translateExternalCheck(spec.externalAuthorization, namespace),
    ...(spec.tracing === undefined ? {} : { sampling: translatePortion(spec.tracing.sampling) }),
    ...(spec.accessLog === undefined ? {} : { accessLog: translateLogChoice(spec.accessLog) }),
    loadBalancer: translateLoadBalancer(spec.loadBalancer ?? {}),
  };
}

function translateTargets(
  refs: Spec['targetRefs'],
  namespace: string,
): Pick<Policy, 'targets' | 'routeTargets'> {
  const targets: PolicyTarget[] = [];
  const routeTargets: RouteTarget[] = [];
  for (const [index, target] of refs.entries()) {
    const field = `spec.targetRefs[${index}]`;
    const { kind, name, port, sectionName } = target;
    const place = { namespace: target.namespace ?? namespace, name };
    if (kind === 'HTTPRoute' || kind === 'GRPCRoute') {
      const section = sectionName === undefined ? {} : { section: sectionName };
      routeTargets.push({ kind, ...place, ...section, field });
    } else {
      const what =
        kind === 'Namespace' ? { everyServiceOf: name } : { service: serviceKey(place.namespace, name) };
      targets.push({ ...what, ...(port === undefined ? {} : { port }), field });
    }
  }
  return { targets, ...(routeTargets.length === 0 ? {} : { routeTargets }) };
}

/** A route acts for whom its own namespace says; a policy beside it cannot make that others. */
function foreignRoutes({ metadata, spec }: TrafficPolicy): readonly Problem[] {
  const own = metadata.namespace ?? 'default';
  return spec.targetRefs.flatMap(({ kind, namespace = own }, index) =>
    (kind === 'HTTPRoute' || kind === 'GRPCRoute') && namespace !== own
      ? [
          toProblem({
            path: `spec.targetRefs[${index}].namespace`,
            message: `a policy is about routes in its own namespace, ${own}; create it in ${namespace}`,
          }),
        ]
      : [],
  );
}

/** What the pods of a Service enforce. */
const ENFORCED_BY_PODS = ['rateLimit', 'externalAuthorization'] as const;

/** What the pods of a Service enforce is said beside them. */
function foreignFields({ metadata, spec }: TrafficPolicy): readonly Problem[] {
  const own = metadata.namespace ?? 'default';
  const foreign = spec.targetRefs
    .map(({ kind, name, namespace = own }) => (kind === 'Namespace' ? name : namespace))
    .find((namespace) => namespace !== own);
  if (foreign === undefined) return [];
  const message = `is enforced by the pods of the Services, and a policy in ${own} does not act on those in ${foreign}; create it in ${foreign}`;
  const given = ENFORCED_BY_PODS.filter((field) => spec[field] !== undefined);
  return given.map((field) => toProblem({ path: `spec.${field}`, message }));
}

function translateRoute(
  route: ApiRoute,
  index: number,
  { namespace, name: policy }: { readonly namespace: string; readonly name: string },
): PolicyRoute {
  const field = `spec.routes[${index}]`;
  const name = route.name ?? `route-${index}`;
  const actions = translateActions(route);
  return {
    name,
    matches: (route.match ?? []).map((match) => translateMatch(match, namespace)),
    split: (route.split ?? []).map((entry, place) =>
      translateSplit(entry, `${field}.split[${place}]`, namespace),
    ),
    ...(route.mirror === undefined
      ? {}
      : {
          mirrors: route.mirror.map((entry, place) =>
            translateMirror(entry, `${field}.mirror[${place}]`, namespace),
          ),
        }),
    ...translateTimeouts(route.timeouts),
    ...translateHedging(route),
    ...translateFault(route.fault),
    ...translateLimits(route.limits),
    ...translateSession(route, `TrafficPolicy/${namespace}/${policy}/${name}`),
    ...(actions === undefined ? {} : { actions }),
    ...(route.retries === undefined ? {} : { retries: translateRetries(route.retries) }),
    ...translateBudget(route.retries?.budget),
  };
}

function translateTimeouts(timeouts: ApiRoute['timeouts']): { readonly timeouts?: Timeouts } {
  const given = {
    requestMs: positiveMs(timeouts?.request),
    perTryMs: positiveMs(timeouts?.perTry),
    connectMs: positiveMs(timeouts?.connect),
    idleMs: positiveMs(timeouts?.idle),
    streamMs: positiveMs(timeouts?.stream),
  };
  const bounds: Timeouts = Object.fromEntries(Object.entries(given).filter(([, ms]) => ms !== undefined));
  return Object.keys(bounds).length === 0 ? {} : { timeouts: bounds };
}

const RETRY_CONDITIONS = ['connect-failure', 'reset', 'refused-stream', 'gateway-error', 'unavailable'];

function translateRetries(retries: NonNullable<ApiRoute['retries']>): Omit<Retries, 'budget'> {
  const backoffMs = positiveMs(retries.backoff);
  return {
    attempts: retries.attempts ?? 2,
    on: retries.conditions ?? retries.on ?? RETRY_CONDITIONS,
    statuses: retries.statuses ?? [],
    methods: retries.methods ?? IDEMPOTENT,
    ...(backoffMs === undefined ? {} : { backoffMs }),
  };
}

function translateSplit(entry: ApiSplit, field: string, namespace: string): SplitEntry {
  const { fallbackLabels, headers } = entry;
  return {
    ...translateBackend(entry, namespace),
    weight: entry.weight ?? 1,
    fallback: entry.fallback ?? false,
    ...(fallbackLabels === undefined ? {} : { fallbackLabels }),
    ...(headers === undefined ? {} : { headers: translateHeaders(headers) }),
    field,
  };
}

function translateMirror(entry: ApiMirror, field: string, namespace: string): MirrorEntry {
  const { compare } = entry;
  return {
    ...translateBackend(entry, namespace),
    fallback: false,
    portion: translatePortion(entry),
    ...(compare === undefined
      ? {}
      : {
          compare: {
            headers: (compare.headers ?? []).map((name) => name.toLowerCase()),
            body: compare.body ?? true,
          },
        }),
    field,
  };
}

function translateBackend(
  { service, labels }: Pick<ApiSplit, 'service' | 'labels'>,
  namespace: string,
): Pick<SplitEntry, 'service' | 'labels'> {
  const port = service?.port === undefined ? {} : { port: service.port };
  return {
    ...(service === undefined
      ? {}
      : {
          service: {
            name: service.name,
            namespace: service.namespace ?? namespace,
            ...port,
            from: { group: names.API_GROUP, kind: 'TrafficPolicy', namespace },
          },
        }),
    ...(labels === undefined ? {} : { labels }),
  };
}
