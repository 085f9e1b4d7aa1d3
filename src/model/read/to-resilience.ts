import { type TrafficPolicy, durationMs } from '../../api/index.js';
import { DEFAULT_BUDGET, type PolicyRoute } from '../words/policy.js';
import type { Limits, Outliers } from '../words/resilience.js';

type ApiBreaker = NonNullable<TrafficPolicy['spec']['circuitBreaker']>;
type ApiRoute = NonNullable<TrafficPolicy['spec']['routes']>[number];
type ApiLimits = Pick<ApiBreaker, 'maxConnections' | 'maxRequests' | 'maxPending' | 'adaptiveConcurrency'>;

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

/** How much may be under way, where something is limited. */
export function translateLimits(given: ApiLimits | undefined): { readonly limits?: Limits } {
  const { maxConnections, maxRequests, maxPending, adaptiveConcurrency } = given ?? {};
  const limits = {
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(maxRequests === undefined ? {} : { maxRequests }),
    ...translateAdaptive(adaptiveConcurrency),
  };
  return Object.keys(limits).length === 0 ? {} : { limits: { ...limits, maxPending: maxPending ?? 0 } };
}

function translateAdaptive(adaptive: ApiLimits['adaptiveConcurrency']): Pick<Limits, 'adaptive'> {
  return adaptive === undefined ? {} : { adaptive: { min: adaptive.min ?? 3, max: adaptive.max ?? 1000 } };
}

/** Methods that may be repeated (RFC 9110 9.2.2). */
export const IDEMPOTENT = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'];

/** When a copy is sent of what is slow; it counts in the budget of the route's retries. */
export function translateHedging({ hedging }: ApiRoute): Pick<PolicyRoute, 'hedging'> {
  if (hedging === undefined) return {};
  const { delay, percentile, attempts, methods } = hedging;
  return {
    hedging: {
      after: percentile === undefined ? { delayMs: positiveMs(delay) ?? 1 } : { percentile },
      attempts: attempts ?? 1,
      methods: methods ?? IDEMPOTENT,
    },
  };
}

/** Of retries and copies together, where the user says something of it. */
export function translateBudget(
  budget: NonNullable<ApiRoute['retries']>['budget'],
): Pick<PolicyRoute, 'budget'> {
  if (budget === undefined) return {};
  const { percent, interval, minPerSecond } = budget;
  return {
    budget: {
      percent: percent ?? DEFAULT_BUDGET.percent,
      intervalMs: positiveMs(interval) ?? DEFAULT_BUDGET.intervalMs,
      minPerSecond: minPerSecond ?? DEFAULT_BUDGET.minPerSecond,
    },
  };
}

/** A duration of zero stands for none. */
export function positiveMs(text: string | undefined): number | undefined {
  const ms = durationMs(text ?? '');
  return ms === 0 ? undefined : ms;
}
