import { create } from '@bufbuild/protobuf';
import {
  type CountedClaim,
  type PodCallerLimit,
  type PodRateLimit,
  type PodSharedLimits,
  type RateLimitKey,
  ipBytes,
  placeOfClaim,
} from '../../model/index.js';
import {
  CallerLimitSchema,
  RateLimitKey_Attribute as Attribute,
  SharedLimit_OnFailure as OnFailure,
  RateLimitKeySchema,
  RateLimitSchema,
  SharedLimitSchema,
  SharedLimitsSchema,
  type CallerLimit as WireCallerLimit,
  type SharedLimits as WireSharedLimits,
  type RateLimit as WireRateLimit,
  type RateLimitKey as WireRateLimitKey,
} from '../../wire/gen/weft/v1/workload_pb.js';
import { toWireMatch } from './match.js';

/** A limit of a pod's port as the message of the wire contract; `counted` are the claims whose values the pod keeps. */
export function toWireRateLimit(limit: PodRateLimit, counted: readonly CountedClaim[]): WireRateLimit {
  const { policy, name, requests, perMs, burst, pods, matches = [], cost, key, dryRun } = limit;
  return create(RateLimitSchema, {
    policy,
    name,
    requests,
    perMs: BigInt(perMs),
    burst,
    pods,
    key: key.flatMap((part) => toWireKey(part, counted)),
    dryRun,
    matches: matches.map(toWireMatch),
    ...(cost === undefined
      ? {}
      : { cost: cost.amount, costHeader: cost.header ?? '', costField: [...(cost.field ?? [])] }),
  });
}

/** A limit on what a pod sends as the message of the wire contract; no claim tells what it counts apart. */
export function toWireCallerLimit({ to, limit }: PodCallerLimit): WireCallerLimit {
  const value = `${to.namespace}/${to.name}`;
  return create(CallerLimitSchema, {
    to: to.kind === 'Service' ? { case: 'service', value } : { case: 'externalService', value },
    limit: toWireRateLimit(limit, []),
  });
}

const ON_FAILURE = {
  allow: OnFailure.ALLOW,
  deny: OnFailure.DENY,
  podShare: OnFailure.POD_SHARE,
} as const;

/** What a service counts for a pod's port, as the message of the wire contract. */
export function toWireSharedLimits(
  { service, port, asks, domain, timeoutMs, limits }: PodSharedLimits,
  counted: readonly CountedClaim[],
): WireSharedLimits {
  return create(SharedLimitsSchema, {
    service,
    port,
    ...(asks === undefined ? {} : { address: ipBytes(asks.address) }),
    domain,
    timeoutMs: BigInt(timeoutMs),
    limits: limits.map(({ limit, onFailure }) =>
      create(SharedLimitSchema, {
        limit: toWireRateLimit(limit, counted),
        onFailure: ON_FAILURE[onFailure],
      }),
    ),
  });
}

const ATTRIBUTES = {
  ServiceAccount: Attribute.SERVICE_ACCOUNT,
  Namespace: Attribute.NAMESPACE,
  Address: Attribute.ADDRESS,
  Network: Attribute.NETWORK,
  Method: Attribute.METHOD,
  Path: Attribute.PATH,
} as const;

/** A claim that has no value for anybody tells no requests apart. */
function toWireKey(key: RateLimitKey, counted: readonly CountedClaim[]): WireRateLimitKey[] {
  if ('claim' in key) {
    // Places count from one on the wire, where zero is nothing.
    const place = placeOfClaim(counted, key.claim) + 1;
    return place === 0 ? [] : [create(RateLimitKeySchema, { part: { case: 'claim', value: place } })];
  }
  if ('constant' in key) {
    return [create(RateLimitKeySchema, { part: { case: 'constant', value: key.constant } })];
  }
  if ('header' in key) return [create(RateLimitKeySchema, { part: { case: 'header', value: key.header } })];
  const attribute = ATTRIBUTES['caller' in key ? key.caller : key.request];
  return [create(RateLimitKeySchema, { part: { case: 'attribute', value: attribute } })];
}
