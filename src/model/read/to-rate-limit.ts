import { type TrafficPolicy, durationMs } from '../../api/index.js';
import { translateLimitMatch } from './to-match.js';
import type { RateLimit, RateLimitCost, RateLimitKey } from '../words/rate-limit.js';

type ApiRateLimit = NonNullable<TrafficPolicy['spec']['rateLimit']>[number];
type ApiCost = NonNullable<ApiRateLimit['cost']>;
type ApiKeyPart = NonNullable<ApiRateLimit['key']>[number];

/** The limits of a policy with their defaults, where it has some. */
export function translateRateLimits(limits: TrafficPolicy['spec']['rateLimit']): {
  readonly rateLimits?: readonly RateLimit[];
} {
  return limits === undefined ? {} : { rateLimits: limits.map(translateLimit) };
}

function translateLimit(limit: ApiRateLimit, index: number): RateLimit {
  const { name, requests, per, burst, match, cost, key, scope, mode } = limit;
  return {
    name: name ?? `limit-${index}`,
    requests,
    // The schema has refused what is not a duration.
    perMs: durationMs(per) ?? 1_000,
    burst: burst ?? requests,
    ...(match === undefined ? {} : { matches: match.map(translateLimitMatch) }),
    ...(cost === undefined ? {} : { cost: translateCost(cost) }),
    key: (key ?? []).map(translateKey),
    scope: scope ?? 'Service',
    dryRun: mode === 'DryRun',
  };
}

function translateCost({ amount, responseHeader, responseField }: ApiCost): RateLimitCost {
  return {
    amount: amount ?? 1,
    ...(responseHeader === undefined ? {} : { header: responseHeader.toLowerCase() }),
    ...(responseField === undefined ? {} : { field: responseField }),
  };
}

function translateKey({ caller, request, header, claim }: ApiKeyPart): RateLimitKey {
  if (claim !== undefined) return { claim };
  if (caller !== undefined) return { caller };
  return request === undefined ? { header: (header ?? '').toLowerCase() } : { request };
}
