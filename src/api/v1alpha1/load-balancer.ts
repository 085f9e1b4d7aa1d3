import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { cookieName, duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** How an endpoint is chosen. */

interface HashInput {
  readonly header?: string | undefined;
  readonly cookie?: string | undefined;
  readonly query?: string | undefined;
  readonly path?: boolean | undefined;
  readonly sourceAddress?: boolean | undefined;
}

const yes = withRules(z.boolean(), {
  cel: 'self',
  message: 'must be true or absent',
  holds: (value) => value,
});

const hashInput = withRules(
  z.strictObject({
    header: headerName.optional().meta({ description: 'Name of a header.' }),
    cookie: cookieName
      .optional()
      .meta({ description: 'Name of a cookie, which the application sets and the mesh only reads.' }),
    query: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'Name of a query parameter. If it is repeated, the first value counts.' }),
    path: yes.optional().meta({ description: 'The path, without the query.' }),
    sourceAddress: yes.optional().meta({
      description:
        'The address of the calling pod, so that each pod stays with one endpoint. This works for TCP, too.',
    }),
  }),
  {
    cel: '[has(self.header), has(self.cookie), has(self.query), has(self.path), has(self.sourceAddress)].exists_one(given, given)',
    message: 'give exactly one of header, cookie, query, path and sourceAddress',
    holds: ({ header, cookie, query, path, sourceAddress }: HashInput) =>
      [header, cookie, query, path, sourceAddress].filter((given) => given !== undefined).length === 1,
  },
);

const BY_HASH: readonly unknown[] = ['ringHash', 'maglev'];

export const loadBalancer = withRules(
  z.strictObject({
    algorithm: z
      .enum(['peakEwma', 'leastRequest', 'roundRobin', 'random', 'ringHash', 'maglev'])
      .optional()
      .meta({
        description:
          'How an endpoint is chosen. peakEwma (the default): the better of two endpoints taken at random, judged by latency and requests in flight. leastRequest: the same, judged by requests in flight alone. ringHash and maglev: requests with the same hash go to the same endpoint.',
      }),
    hash: z.array(hashInput).min(1).max(4).optional().meta({
      description:
        'What ringHash and maglev hash: the first of these that a request has. A request that has none of them is balanced by peakEwma.',
    }),
    maxLoadPercent: z.int().min(101).max(1000).optional().meta({
      description:
        'With a hash: how much load an endpoint may carry, as a percentage of the mean, before its requests go to the next one. No limit by default.',
    }),
    zone: z.enum(['any', 'prefer', 'strict']).optional().meta({
      description:
        "Whether endpoints in the caller's zone are preferred. prefer: as long as the zone can take the load. strict: endpoints of other zones are never used. any: zones do not matter. Defaults to any, or to prefer if the Service has a trafficDistribution.",
    }),
    slowStart: duration.optional().meta({
      description:
        'Time over which the share of a new endpoint grows from a tenth to the whole. None by default; 0s means none.',
    }),
  }),
  {
    cel: "has(self.hash) == (has(self.algorithm) && self.algorithm in ['ringHash', 'maglev'])",
    message: 'hash goes with the algorithms ringHash and maglev, and they need it',
    field: '.hash',
    holds: ({ hash, algorithm }) => (hash !== undefined) === BY_HASH.includes(algorithm),
  },
  {
    cel: 'has(self.hash) || !has(self.maxLoadPercent)',
    message: 'maxLoadPercent bounds what a hash does; give a hash or remove it',
    field: '.maxLoadPercent',
    holds: ({ hash, maxLoadPercent }) => hash !== undefined || maxLoadPercent === undefined,
  },
  {
    cel: "!has(self.slowStart) || duration(self.slowStart) <= duration('1h')",
    message: 'is longer than an hour; lower it',
    field: '.slowStart',
    holds: ({ slowStart }) => (durationMs(slowStart ?? '') ?? 0) <= 3_600_000,
  },
);
