import { z } from 'zod';

/** What the proxy that is asked says: `proxy/src/outbound/explain.rs`. More than this may come from a newer one. */
const stage = z.looseObject({
  stage: z.string(),
  verdict: z.string(),
  why: z.string().default(''),
  rule: z.string().optional(),
});

const differs = z.looseObject({
  part: z.string(),
  name: z.string().nullish(),
  wanted: z.string(),
  found: z.string().nullish(),
});

const route = z.looseObject({
  name: z.string(),
  verdict: z.string(),
  matched: z.string().nullish(),
  differs: z.array(differs.nullable()).default([]),
});

const endpoint = z.looseObject({
  address: z.string(),
  identity: z.string().nullish(),
  tls: z.string().default('none'),
  zone: z.string().nullish(),
  weight: z.number().default(100),
  pending: z.number().default(0),
  latencyMs: z.number().default(0),
  otherZone: z.boolean().default(false),
  withinReach: z.boolean().default(true),
  unreachable: z.boolean().default(false),
  pushesBack: z.boolean().default(false),
  ejected: z.boolean().default(false),
  ejection: z.looseObject({ reason: z.string(), secondsLeft: z.number() }).nullish(),
  /** In how many workers of the proxy it is ejected; filled in here. */
  ejectedBy: z.number().optional(),
  /** The pod with that address; filled in here. */
  pod: z.string().optional(),
});

const share = z.looseObject({
  backend: z.string(),
  weight: z.number(),
  percent: z.number(),
  refusal: z.string().nullish(),
  endpoints: z.array(endpoint),
  endpointCount: z.number(),
});

const policies = z.looseObject({
  timeouts: z.record(z.string(), z.string().nullable()).default({}),
  retries: z
    .looseObject({
      attempts: z.number(),
      on: z.array(z.string()).default([]),
      statuses: z.array(z.number()).default([]),
      budgetLeft: z.number().nullish(),
    })
    .nullish(),
  hedging: z.looseObject({ attempts: z.number(), after: z.string() }).nullish(),
  mirrors: z.array(z.looseObject({ backend: z.string(), percent: z.number() })).default([]),
  session: z.boolean().default(false),
});

const request = z.looseObject({
  method: z.string(),
  authority: z.string().nullish(),
  path: z.string(),
});

const common = {
  verdict: z.string(),
  why: z.string().default(''),
  reason: z.string().optional(),
  request: request.optional(),
  stages: z.array(stage).default([]),
};

/** The calling side's answer. */
export const callerAnswer = z.looseObject({
  ...common,
  caller: z.looseObject({ pod: z.string(), identity: z.string(), zone: z.string().nullish() }),
  destination: z
    .looseObject({
      state: z.string(),
      address: z.string(),
      name: z.string().optional(),
      protocol: z.string().optional(),
      algorithm: z.string().optional(),
    })
    .optional(),
  routes: z.array(route).default([]),
  route: z.string().optional(),
  policies: policies.optional(),
  split: z.array(share).default([]),
  changes: z
    .looseObject({ headers: z.record(z.string(), z.string().nullable()), path: z.string().nullish() })
    .optional(),
});

/** The receiving side's answer: `proxy/src/inbound/explain.rs`. */
export const receiverAnswer = z.looseObject({
  ...common,
  receiver: z.looseObject({ pod: z.string(), name: z.string(), port: z.number(), mtlsMode: z.string() }),
  caller: z.looseObject({ identity: z.string().nullish(), address: z.string().nullish() }),
});

export type CallerAnswer = z.infer<typeof callerAnswer>;
export type ReceiverAnswer = z.infer<typeof receiverAnswer>;
export type Endpoint = z.infer<typeof endpoint>;
export type Stage = z.infer<typeof stage>;
export type Route = z.infer<typeof route>;
export type Differs = z.infer<typeof differs>;
export type Share = z.infer<typeof share>;

/**
 * One answer of a proxy whose workers have each given theirs, since each judges endpoints by what it has seen itself: that of the first,
 * with how many have an endpoint ejected and why, and with the highest latency that any of them believes it to have.
 */
export function ofWorkers(answers: readonly [CallerAnswer, ...CallerAnswer[]]): CallerAnswer {
  const [first] = answers;
  const all = answers.flatMap(({ split }) => split.flatMap(({ endpoints }) => endpoints));
  const seen = Map.groupBy(all, ({ address }) => address);
  const counted = (one: Endpoint): Endpoint => {
    const said = seen.get(one.address) ?? [];
    return {
      ...one,
      ejectedBy: said.filter(({ ejected }) => ejected).length,
      ejection: said.find(({ ejection }) => ejection !== null && ejection !== undefined)?.ejection,
      latencyMs: Math.max(...said.map(({ latencyMs }) => latencyMs)),
    };
  };
  return {
    ...first,
    split: first.split.map((one) => ({ ...one, endpoints: one.endpoints.map(counted) })),
  };
}
