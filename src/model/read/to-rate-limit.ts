import { type TrafficPolicy, durationMs } from '../../api/index.js';
import { translateLimitMatch } from './to-match.js';
import type { CountedBy, RateLimit, RateLimitCost, RateLimitKey } from '../words/rate-limit.js';

type ApiRateLimit = NonNullable<TrafficPolicy['spec']['rateLimit']>[number];
type ApiCost = NonNullable<ApiRateLimit['cost']>;
type ApiKeyPart = NonNullable<ApiRateLimit['key']>[number];

/** The limits of a policy of `namespace` with their defaults, where it has some. */
export function translateRateLimits(
  limits: TrafficPolicy['spec']['rateLimit'],
  namespace: string,
): { readonly rateLimits?: readonly RateLimit[] } {
  if (limits === undefined) return {};
  return { rateLimits: limits.map((limit, index) => translateLimit(limit, index, namespace)) };
}

function translateLimit(limit: ApiRateLimit, index: number, namespace: string): RateLimit {
  const { name, requests = 0, per = '0s', burst, to, match, cost, key, scope, mode } = limit;
  return {
    name: name ?? `limit-${index}`,
    requests,
    // The schema has refused what is not a duration.
    perMs: durationMs(per) ?? 0,
    burst: burst ?? requests,
    ...translateCallee(to, namespace),
    ...(match === undefined ? {} : { matches: match.map(translateLimitMatch) }),
    ...(cost === undefined ? {} : { cost: translateCost(cost) }),
    key: (key ?? []).map(translateKey),
    scope: scope ?? 'Service',
    ...translateCounted(limit, namespace),
    dryRun: mode === 'DryRun',
  };
}

function translateCallee(to: ApiRateLimit['to'], namespace: string): Pick<RateLimit, 'to'> {
  return to === undefined ? {} : { to: { ...to, namespace: to.namespace ?? namespace } };
}

/** A limit protects capacity: a service that fails must neither end the requests nor lift a limit that the pods know as well. */
function translateCounted(
  { service, timeout = '100ms', onFailure, requests }: ApiRateLimit,
  namespace: string,
): { readonly counted?: CountedBy } {
  if (service === undefined) return {};
  return {
    counted: {
      service: {
        namespace: service.namespace ?? namespace,
        name: service.name,
        port: service.port,
        from: { group: 'weft.dev', kind: 'TrafficPolicy', namespace },
      },
      domain: service.domain ?? 'weft',
      timeoutMs: durationMs(timeout) ?? 100,
      onFailure: ON_FAILURE[onFailure ?? (requests === undefined ? 'Allow' : 'PodShare')],
    },
  };
}

const ON_FAILURE = { Allow: 'allow', Deny: 'deny', PodShare: 'podShare' } as const;

function translateCost({ amount, responseHeader, responseField }: ApiCost): RateLimitCost {
  return {
    amount: amount ?? 1,
    ...(responseHeader === undefined ? {} : { header: responseHeader.toLowerCase() }),
    ...(responseField === undefined ? {} : { field: responseField }),
  };
}

function translateKey({ caller, request, header, claim, constant }: ApiKeyPart): RateLimitKey {
  if (claim !== undefined) return { claim };
  if (constant !== undefined) return { constant };
  if (caller !== undefined) return { caller };
  return request === undefined ? { header: (header ?? '').toLowerCase() } : { request };
}
