import { type TrafficPolicy, durationMs } from '../api/index.js';
import type { Outliers } from './resilience.js';

type ApiBreaker = NonNullable<TrafficPolicy['spec']['circuitBreaker']>;

/** When endpoints are ejected, if a condition says so; times and shares by default are Envoy's where it has them. */
export function translateOutliers(breaker: ApiBreaker | undefined): { readonly outliers?: Outliers } {
  const conditions = translateConditions(breaker ?? {});
  if (Object.keys(conditions).length === 0) return {};
  return { outliers: { ...conditions, ejection: translateEjection(breaker?.ejection ?? {}) } };
}

function translateConditions(breaker: ApiBreaker): Omit<Outliers, 'ejection'> {
  const { consecutiveFailures, consecutiveGatewayErrors, consecutiveLocalErrors } = breaker;
  return {
    ...(consecutiveFailures === undefined ? {} : { consecutiveFailures }),
    ...(consecutiveGatewayErrors === undefined ? {} : { consecutiveGatewayErrors }),
    ...(consecutiveLocalErrors === undefined ? {} : { consecutiveLocalErrors }),
    ...translateSuccessRate(breaker.successRate),
  };
}

function translateEjection(ejection: NonNullable<ApiBreaker['ejection']>): Outliers['ejection'] {
  const { base, max, maxPercent, panicPercent } = ejection;
  const baseMs = positiveMs(base) ?? 30_000;
  return {
    baseMs,
    maxMs: Math.max(positiveMs(max) ?? 300_000, baseMs),
    maxPercent: maxPercent ?? 50,
    panicPercent: panicPercent ?? 50,
  };
}

function translateSuccessRate(rate: ApiBreaker['successRate']): Pick<Outliers, 'successRate'> {
  if (rate === undefined) return {};
  const { below, window, minRequests } = rate;
  return {
    successRate: {
      below: below ?? 80,
      windowMs: positiveMs(window) ?? 10_000,
      minRequests: minRequests ?? 20,
    },
  };
}

/** A duration of zero stands for none. */
export function positiveMs(text: string | undefined): number | undefined {
  const ms = durationMs(text ?? '');
  return ms === 0 ? undefined : ms;
}
