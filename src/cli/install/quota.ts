import { z } from 'zod';
import { quantityAmount } from '../../base/index.js';
import type { KubeClient } from '../../kube/index.js';
import { amountsIn, limitRange, type Room } from '../check/room.js';
import { plural } from '../page.js';
import { Kinds, readList } from '../read-list.js';
import type { Plan } from './plan.js';

const quota = z.object({
  metadata: z.object({ name: z.string() }),
  spec: z
    .object({
      hard: z.record(z.string(), z.coerce.string()).default({}),
      scopes: z.array(z.string()).default([]),
      scopeSelector: z.unknown().optional(),
    })
    .prefault({}),
  status: z.object({ used: z.record(z.string(), z.coerce.string()).default({}) }).prefault({}),
});

/** Why pods of the control plane would be refused, and what helps. */
export interface Shortage {
  readonly detail: string;
  readonly fix: string;
}

/** What the quotas of a namespace have against so many more pods of the control plane. */
export async function shortages(
  client: KubeClient,
  namespace: string,
  { plan, more }: { readonly plan: Plan; readonly more: number },
): Promise<readonly Shortage[]> {
  const [quotas, ranges] = await Promise.all([
    readList(client, Kinds.resourceQuota, quota, { namespace }),
    readList(client, Kinds.limitRange, limitRange, { namespace }),
  ]);
  const counted = countedOf(plan, ranges);
  // Which pods one with scopes counts is not ours to say.
  const all = quotas.filter(({ spec }) => spec.scopeSelector === undefined && spec.scopes.length === 0);
  return all.flatMap((one) => counted.flatMap((what) => shortageOf(one, what, more)));
}

/** Something that quotas count. */
interface Counted {
  /** As quotas call it. */
  readonly keys: readonly string[];
  /** Of one pod; undefined: it sets none. */
  readonly each: number | undefined;
  /** The value of the chart that sets it. */
  readonly value?: string;
  /** What it is set to where nothing is known. */
  readonly usual?: number;
}

const MI = 2 ** 20;

function countedOf(plan: Plan, ranges: Room['ranges']): readonly Counted[] {
  const usual = {
    cpu: { request: 0.1, limit: 1 },
    memory: { request: 256 * MI, limit: 1536 * MI },
  } as const;
  return [
    { keys: ['pods', 'count/pods'], each: 1 },
    ...(['cpu', 'memory'] as const).flatMap((resource): readonly Counted[] => {
      const { request, limit } = amountsIn(ranges, plan[resource], resource);
      const parts = usual[resource];
      return [
        {
          keys: [`requests.${resource}`, resource],
          each: request,
          value: `resources.requests.${resource}`,
          usual: parts.request,
        },
        {
          keys: [`limits.${resource}`],
          each: limit,
          value: `resources.limits.${resource}`,
          usual: parts.limit,
        },
      ];
    }),
  ];
}

function shortageOf(
  { metadata: { name }, spec: { hard }, status: { used } }: z.infer<typeof quota>,
  what: Counted,
  more: number,
): readonly Shortage[] {
  return what.keys.flatMap((key) => {
    const most = hard[key];
    if (most === undefined) return [];
    const left = Math.max(0, quantityAmount(most) - quantityAmount(used[key] ?? '0'));
    if (what.each === undefined)
      return [
        {
          detail: `ResourceQuota ${name} counts ${key}, and the control plane sets none`,
          fix: fixOf(what, left / more),
        },
      ];
    if (left >= what.each * more) return [];
    const detail =
      what.value === undefined
        ? `ResourceQuota ${name} has room for ${plural(left, 'more pod')}, and it takes ${more}`
        : `ResourceQuota ${name} has ${said(left, key)} of ${key} left, and it takes ${said(what.each * more, key)} for ${plural(more, 'more pod')}`;
    return [{ detail, fix: fixOf(what, left / more) }];
  });
}

/** What is set where there is room for anything. */
function fixOf({ value, usual = 0 }: Counted, each: number): string {
  if (value === undefined)
    return each > 0 ? 'raise the quota, or take fewer replicas: --set replicas=1' : 'raise the quota';
  const amount = said(Math.min(usual, each), value);
  return amount.startsWith('0')
    ? 'raise the quota'
    : `raise the quota, or have the control plane set what fits: --set ${value}=${amount}`;
}

/** As a quantity that is not more. */
function said(amount: number, key: string): string {
  return key.endsWith('memory')
    ? `${Math.floor(amount / MI)}Mi`
    : `${Math.floor(Number((amount * 1000).toFixed(3)))}m`;
}
