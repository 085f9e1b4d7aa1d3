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
  message: 'is true or absent',
  holds: (value) => value,
});

const hashInput = withRules(
  z.strictObject({
    header: headerName.optional().meta({ description: 'Name of a header.' }),
    cookie: cookieName
      .optional()
      .meta({ description: 'Name of a cookie. The application sets it; the mesh only reads it.' }),
    query: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'Name of a query parameter. Of a repeated one the first value counts.' }),
    path: yes.optional().meta({ description: 'The path, without the query.' }),
    sourceAddress: yes.optional().meta({
      description:
        'The address of the calling pod, so that each pod stays with one endpoint. Works for TCP too.',
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
          'How an endpoint is chosen. peakEwma, by default: the better of two random ones by latency and requests in flight. leastRequest: by requests in flight alone. ringHash and maglev: requests with the same hash go to the same endpoint.',
      }),
    hash: z.array(hashInput).min(1).max(4).optional().meta({
      description:
        'What ringHash and maglev look at: the first of these that a request has. A request without any is balanced by peakEwma.',
    }),
    maxLoadPercent: z.int().min(101).max(1000).optional().meta({
      description:
        'With a hash: the most that an endpoint carries, in percent of the mean, before its requests go to the next one. No bound by default.',
    }),
    zone: z.enum(['any', 'prefer', 'strict']).optional().meta({
      description:
        "Whether endpoints of the caller's zone come first. prefer: as long as the zone can take it. strict: no others. By default any, or prefer where the Service has a trafficDistribution.",
    }),
    slowStart: duration.optional().meta({
      description:
        'Time over which a new endpoint grows into its share, from a tenth of it. None by default; 0s is none.',
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
