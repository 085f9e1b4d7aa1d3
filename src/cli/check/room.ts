import { z } from 'zod';
import { names, quantityAmount } from '../../base/index.js';
import type { Amounts, ProxyResources } from './proxy-resources.js';

const quantities = z.record(z.string(), z.coerce.string()).default({});

/** What we read of a ResourceQuota. */
export const resourceQuota = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({ hard: quantities }).prefault({}),
});

/** What we read of a LimitRange. */
export const limitRange = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z.object({
    limits: z.array(
      z.object({
        type: z.string(),
        min: quantities,
        max: quantities,
        default: quantities,
        defaultRequest: quantities,
        maxLimitRequestRatio: quantities,
      }),
    ),
  }),
});

export interface Room {
  /** Resources of a proxy where the namespace says nothing. */
  readonly defaults: ProxyResources;
  /** Of the namespace. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly quotas: readonly z.infer<typeof resourceQuota>[];
  readonly ranges: readonly z.infer<typeof limitRange>[];
}

/** Why the API server will refuse every pod with a proxy, and the annotations of the namespace that help. */
export interface Refusal {
  readonly detail: string;
  readonly annotations: Readonly<Record<string, string>>;
}

type ResourceName = 'cpu' | 'memory';

const ANNOTATIONS = {
  cpu: { request: names.Annotation.cpuRequest, limit: names.Annotation.cpuLimit },
  memory: { request: names.Annotation.memoryRequest, limit: names.Annotation.memoryLimit },
} as const;

/** What quotas and limit ranges of a namespace have against the containers of a proxy. */
export function refusals(room: Room): readonly Refusal[] {
  return (['cpu', 'memory'] as const).flatMap((resource) => {
    const container = containerRanges(room.ranges);
    const amounts = amountsIn(room.ranges, amountsOf(room, resource), resource);
    const bounds = boundsOf(room, container, resource);
    const problems = bounds.flatMap((bound) => bound.problem(amounts) ?? []);
    if (problems.length === 0) return [];
    const fitting = fit(amounts, bounds, ROOMY[resource]);
    const { request, limit } = ANNOTATIONS[resource];
    const annotations = {
      ...(fitting.request === undefined ? {} : { [request]: write(fitting.request, resource, Math.ceil) }),
      ...(fitting.limit === undefined ? {} : { [limit]: write(fitting.limit, resource, Math.floor) }),
    };
    return [{ detail: problems.join('; '), annotations }];
  });
}

/** In processors or bytes. */
export interface Numbers {
  readonly request?: number;
  readonly limit?: number;
}

type Range = Room['ranges'][number]['spec']['limits'][number] & { readonly name: string };

/** What a container gets that gives these amounts, in processors or bytes. */
export function amountsIn(
  ranges: Room['ranges'],
  { request, limit }: Amounts,
  resource: ResourceName,
): Numbers {
  const given = {
    ...(request === undefined ? {} : { request: quantityAmount(request) }),
    ...(limit === undefined ? {} : { limit: quantityAmount(limit) }),
  };
  return defaulted(given, containerRanges(ranges), resource);
}

function containerRanges(ranges: Room['ranges']): readonly Range[] {
  return ranges.flatMap(({ metadata, spec }) =>
    spec.limits
      .filter(({ type }) => type === 'Container')
      .map((limits) => ({ ...limits, name: metadata.name })),
  );
}

function amountsOf({ defaults, annotations }: Room, resource: ResourceName): Amounts {
  const given = defaults[resource];
  const request = annotations[ANNOTATIONS[resource].request] ?? given.request;
  const limit = annotations[ANNOTATIONS[resource].limit] ?? given.limit;
  return { ...(request === undefined ? {} : { request }), ...(limit === undefined ? {} : { limit }) };
}

/** As the LimitRanger does it before anything is judged; a limit without a request is the request too. */
function defaulted(amounts: Numbers, ranges: readonly Range[], resource: ResourceName): Numbers {
  const first = (pick: (range: Range) => string | undefined): number | undefined => {
    const found = ranges.map(pick).find((value) => value !== undefined);
    return found === undefined ? undefined : quantityAmount(found);
  };
  const limit = amounts.limit ?? first((range) => range.default[resource]);
  const request = amounts.request ?? first((range) => range.defaultRequest[resource]) ?? limit;
  return { ...(request === undefined ? {} : { request }), ...(limit === undefined ? {} : { limit }) };
}

/** One thing that a container has to keep to. */
interface Bound {
  readonly problem: (amounts: Numbers) => string | undefined;
  /** What the bound asks for. */
  readonly needs: {
    readonly request?: boolean;
    readonly limit?: boolean;
    readonly min?: number;
    readonly max?: number;
    readonly ratio?: number;
  };
}

function boundsOf({ quotas }: Room, ranges: readonly Range[], resource: ResourceName): readonly Bound[] {
  return [
    ...quotas.flatMap(({ metadata, spec }) => quotaBounds(metadata.name, spec.hard, resource)),
    ...ranges.flatMap((range) => rangeBounds(range, resource)),
  ];
}

/** A quota that counts a resource refuses containers that do not set it. */
function quotaBounds(
  name: string,
  hard: Readonly<Record<string, string>>,
  resource: ResourceName,
): readonly Bound[] {
  const counts = (part: 'request' | 'limit', keys: readonly string[]): readonly Bound[] => {
    const key = keys.find((candidate) => hard[candidate] !== undefined);
    if (key === undefined) return [];
    const problem = (amounts: Numbers): string | undefined =>
      amounts[part] === undefined
        ? `ResourceQuota ${name} counts ${key}, and the proxy sets no ${resource} ${part}`
        : undefined;
    return [{ problem, needs: { [part]: true } }];
  };
  return [
    ...counts('request', [`requests.${resource}`, resource]),
    ...counts('limit', [`limits.${resource}`]),
  ];
}

function rangeBounds(range: Range, resource: ResourceName): readonly Bound[] {
  const min = range.min[resource];
  const max = range.max[resource];
  const ratio = range.maxLimitRequestRatio[resource];
  return [
    ...(min === undefined ? [] : [atLeast(range.name, resource, min)]),
    ...(max === undefined ? [] : [atMost(range.name, resource, max)]),
    ...(ratio === undefined ? [] : [withinRatio(range.name, resource, ratio)]),
  ];
}

function atLeast(name: string, resource: ResourceName, text: string): Bound {
  const min = quantityAmount(text);
  return {
    needs: { request: true, min },
    problem: ({ request }) =>
      request === undefined || request < min
        ? `LimitRange ${name} asks for at least ${text} of ${resource} a container, and the proxy requests ${said(request, resource)}`
        : undefined,
  };
}

function atMost(name: string, resource: ResourceName, text: string): Bound {
  const max = quantityAmount(text);
  return {
    needs: { limit: true, max },
    problem: ({ request = 0, limit }) =>
      limit === undefined || limit > max || request > max
        ? `LimitRange ${name} allows at most ${text} of ${resource} a container, and the proxy has ${limit === undefined ? 'no limit' : `a limit of ${said(limit, resource)}`}`
        : undefined,
  };
}

function withinRatio(name: string, resource: ResourceName, text: string): Bound {
  const ratio = quantityAmount(text);
  return {
    needs: { request: true, limit: true, ratio },
    problem: ({ request, limit }) =>
      request === undefined || limit === undefined || request === 0 || limit / request > ratio
        ? `LimitRange ${name} allows a ${resource} limit of at most ${text} times the request, and the proxy requests ${said(request, resource)} with a limit of ${said(limit, resource)}`
        : undefined,
  };
}

/** What a limit is where only its presence is asked for: one processor, and the chart's limit of memory. */
const ROOMY: Readonly<Record<ResourceName, number>> = { cpu: 1, memory: 128 * 2 ** 20 };

/** Amounts nearest to those there are that keep to every bound. */
function fit(amounts: Numbers, bounds: readonly Bound[], roomy: number): Numbers {
  const needs = bounds.map((bound) => bound.needs);
  const largest = (values: readonly (number | undefined)[]): number =>
    Math.max(0, ...values.filter((value) => value !== undefined));
  const min = largest(needs.map((need) => need.min));
  const max = Math.min(Infinity, ...needs.flatMap((need) => need.max ?? []));
  const ratio = Math.min(Infinity, ...needs.flatMap((need) => need.ratio ?? []));
  const wantsLimit = amounts.limit !== undefined || needs.some((need) => need.limit === true);
  const limit = wantsLimit ? Math.min(max, Math.max(min, amounts.limit ?? roomy)) : undefined;
  const floor = limit === undefined ? 0 : limit / ratio;
  const request = Math.min(limit ?? Infinity, Math.max(min, floor, amounts.request ?? 0));
  const wantsRequest = request > 0 || needs.some((need) => need.request === true);
  return { ...(wantsRequest ? { request } : {}), ...(limit === undefined ? {} : { limit }) };
}

const MI = 2 ** 20;

/** As a quantity in millis of a processor or in mebibytes. */
function write(amount: number, resource: ResourceName, round: (value: number) => number): string {
  // A thousandth of the unit is noise of the division.
  const units = Number((resource === 'cpu' ? amount * 1000 : amount / MI).toFixed(3));
  return resource === 'cpu' ? `${Math.max(1, round(units))}m` : `${Math.max(1, round(units))}Mi`;
}

function said(amount: number | undefined, resource: ResourceName): string {
  return amount === undefined ? 'none' : write(amount, resource, Math.ceil);
}
