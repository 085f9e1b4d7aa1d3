import { create } from '@bufbuild/protobuf';
import type { Budget, Fault, Hedging, Limits, Outliers, Retries, Timeouts } from '../../model/index.js';
import {
  type Fault as WireFault,
  FaultSchema,
  type Hedging as WireHedging,
  HedgingSchema,
  type Limits as WireLimits,
  LimitsSchema,
  type Outliers as WireOutliers,
  OutliersSchema,
  type Retries as WireRetries,
  RetriesSchema,
  type Timeouts as WireTimeouts,
  TimeoutsSchema,
} from '../../wire/gen/weft/v1/destination_pb.js';

/** How long requests of a route may take. */
export function toWireTimeouts(timeouts: Timeouts): WireTimeouts {
  const { requestMs, perTryMs, connectMs, idleMs, streamMs } = timeouts;
  return create(TimeoutsSchema, {
    requestMs: wireMs(requestMs),
    perTryMs: wireMs(perTryMs),
    connectMs: wireMs(connectMs),
    idleMs: wireMs(idleMs),
    streamMs: wireMs(streamMs),
  });
}

/** What is tried again. */
export function toWireRetries(retries: Retries): WireRetries {
  const { attempts, on, statuses, methods, backoffMs, budget } = retries;
  return create(RetriesSchema, {
    attempts,
    on: [...on],
    statuses: [...statuses],
    methods: [...methods],
    backoffMs: wireMs(backoffMs),
    ...toWireBudget(budget),
    budgetRefuses: budget.refuses ?? false,
  });
}

function toWireBudget({ percent, intervalMs, minPerSecond }: Budget): {
  budgetPercent: number;
  budgetIntervalMs: number;
  budgetMinPerSecond: number;
} {
  return {
    budgetPercent: percent,
    budgetIntervalMs: wireMs(intervalMs),
    budgetMinPerSecond: minPerSecond,
  };
}

/** The field of a route that says when a copy is sent of what is slow. */
export function toWireHedging(hedging: Hedging | undefined): { hedging?: WireHedging } {
  if (hedging === undefined) return {};
  const { after, attempts, methods, budget } = hedging;
  return {
    hedging: create(HedgingSchema, {
      ...('percentile' in after ? after : { delayMs: wireMs(after.delayMs) }),
      attempts,
      methods: [...methods],
      ...toWireBudget(budget),
    }),
  };
}

/** The field of a route that says which requests fail on purpose. */
export function toWireFault(fault: Fault | undefined): { fault?: WireFault } {
  if (fault === undefined) return {};
  const { abort, delay, slowBody, maxActive } = fault;
  return {
    fault: create(FaultSchema, {
      ...(abort === undefined
        ? {}
        : { abort: { ...abort.portion, status: abort.status, grpcStatus: abort.grpcStatus } }),
      ...(delay === undefined ? {} : { delay: { ...delay.portion, durationMs: wireMs(delay.durationMs) } }),
      ...(slowBody === undefined
        ? {}
        : { slowBody: { ...slowBody.portion, bytesPerSecond: slowBody.bytesPerSecond } }),
      maxActive,
    }),
  };
}

/** When endpoints are ejected. */
export function toWireOutliers(outliers: Outliers): WireOutliers {
  const { consecutiveFailures = 0, consecutiveGatewayErrors = 0, consecutiveLocalErrors = 0 } = outliers;
  const { successRate, ejection } = outliers;
  return create(OutliersSchema, {
    consecutiveFailures,
    consecutiveGatewayErrors,
    consecutiveLocalErrors,
    ...(successRate === undefined
      ? {}
      : { successRate: { ...successRate, windowMs: wireMs(successRate.windowMs) } }),
    baseMs: wireMs(ejection.baseMs),
    maxMs: wireMs(ejection.maxMs),
    maxPercent: ejection.maxPercent,
    panicPercent: ejection.panicPercent,
  });
}

/** The field of a destination or route that says how much may be under way. */
export function toWireLimits(limits: Limits | undefined): { limits?: WireLimits } {
  if (limits === undefined) return {};
  const { maxConnections = 0, maxRequests = 0, maxPending, adaptive } = limits;
  return {
    limits: create(LimitsSchema, {
      maxConnections,
      maxRequests,
      maxPending,
      ...(adaptive === undefined ? {} : { adaptive: { ...adaptive } }),
    }),
  };
}

/** Milliseconds that fit the wire's 32 bits: 49 days and no more. */
function wireMs(ms: number | undefined): number {
  return Math.min(ms ?? 0, 0xffff_ffff);
}
