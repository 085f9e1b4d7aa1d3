import type { LoadBalancer, RouteMatch } from '../words/policy.js';
import type { Backend, Route } from '../words/destination.js';
import type { EndpointChoice } from './endpoint-choice.js';

/**
 * What a resource may ask of a proxy beyond the first contract. A resource lists those it uses, so that a proxy
 * that misses one rejects it rather than send traffic astray. The proxy reads the same list, `src/wire/features.json`.
 */
export const FEATURES = [
  'backend.node',
  'backend.tls',
  'destination.limits',
  'destination.outliers',
  'load-balancer.algorithm',
  'load-balancer.hash',
  'load-balancer.slow-start',
  'load-balancer.zone',
  'route.answer',
  'route.bytes',
  'route.cors',
  'route.fault',
  'route.headers',
  'route.hedging',
  'route.limits',
  'route.match.from',
  'route.match.headers',
  'route.match.method',
  'route.match.path',
  'route.match.query',
  'route.match.regex',
  'route.match.serverNames',
  'route.mirror',
  'route.retries',
  'route.rewrite',
  'route.session',
  'route.split.weights',
  'route.timeouts',
  'workload.access',
  'workload.access.jwt',
  'workload.external-check',
  'workload.external-check.body',
  'workload.external-check.http',
  'workload.external-services',
  'workload.external-services.tls',
  'workload.rate-limits',
  'workload.rate-limits.caller',
  'workload.rate-limits.claim',
  'workload.rate-limits.cost',
  'workload.rate-limits.cost.field',
  'workload.rate-limits.match',
  'workload.rate-limits.shared',
] as const;

export type Feature = (typeof FEATURES)[number];

/**
 * The features that a destination uses, in the order of the table. To prefer a node and to keep to an endpoint are not among
 * them: a proxy that knows neither sends to the same endpoints, and had better follow them.
 */
export function featuresOf(
  { routes, backends }: { readonly routes: readonly Route[]; readonly backends: readonly Backend[] },
  choice: EndpointChoice,
): readonly Feature[] {
  const used = new Set<Feature>([...routes.flatMap(routeFeatures), ...balancerFeatures(choice.loadBalancer)]);
  if (choice.outliers !== undefined) used.add('destination.outliers');
  if (choice.limits !== undefined) used.add('destination.limits');
  if (backends.some(({ node }) => node === 'only')) used.add('backend.node');
  if (backends.some(({ tls }) => tls !== undefined)) used.add('backend.tls');
  return FEATURES.filter((feature) => used.has(feature));
}

function routeFeatures(route: Route): Feature[] {
  return [
    ...(route.bytesOnly === true ? (['route.bytes'] as const) : []),
    ...(route.timeouts === undefined ? [] : (['route.timeouts'] as const)),
    ...(route.retries === undefined ? [] : (['route.retries'] as const)),
    ...(route.fault === undefined ? [] : (['route.fault'] as const)),
    ...(route.hedging === undefined ? [] : (['route.hedging'] as const)),
    ...(route.limits === undefined ? [] : (['route.limits'] as const)),
    ...(route.session === undefined ? [] : (['route.session'] as const)),
    ...actionFeatures(route),
    ...route.matches.flatMap(matchFeatures),
  ];
}

function balancerFeatures({ algorithm, hash, slowStartMs, zone }: LoadBalancer): Feature[] {
  return [
    ...(algorithm === 'peakEwma' ? [] : (['load-balancer.algorithm'] as const)),
    ...(hash === undefined ? [] : (['load-balancer.hash'] as const)),
    ...(slowStartMs === undefined ? [] : (['load-balancer.slow-start'] as const)),
    ...(zone === undefined ? [] : (['load-balancer.zone'] as const)),
  ];
}

function actionFeatures({ split, mirrors, actions }: Route): Feature[] {
  const headers = [actions, ...split].some((place) => place?.headers !== undefined);
  return [
    ...(actions?.answer === undefined ? [] : (['route.answer'] as const)),
    ...(actions?.cors === undefined ? [] : (['route.cors'] as const)),
    ...(headers ? (['route.headers'] as const) : []),
    ...(mirrors === undefined ? [] : (['route.mirror'] as const)),
    ...(actions?.rewrite === undefined ? [] : (['route.rewrite'] as const)),
    ...(split.length > 1 ? (['route.split.weights'] as const) : []),
  ];
}

function matchFeatures({ path, headers, query = [], method, from, serverNames }: RouteMatch): Feature[] {
  const conditions = [path, ...[...headers, ...query].map(({ condition }) => condition)];
  const used: Record<Extract<Feature, `route.match.${string}`>, boolean> = {
    'route.match.from': from !== undefined,
    'route.match.headers': headers.length > 0,
    'route.match.method': method !== undefined,
    'route.match.path': path !== undefined,
    'route.match.query': query.length > 0,
    'route.match.regex': conditions.some((condition) => condition?.kind === 'regex'),
    'route.match.serverNames': serverNames !== undefined,
  };
  return FEATURES.filter((feature) => Object.entries(used).some(([name, is]) => is && name === feature));
}
