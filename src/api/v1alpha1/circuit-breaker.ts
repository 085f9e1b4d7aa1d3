import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, percent } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** When an endpoint gets a rest, and how much of a destination's work a caller may have under way. */

const inARow = (what: string) => z.int().min(1).max(1000).optional().meta({ description: what });

const successRate = z.strictObject({
  below: z.int().min(1).max(100).optional().meta({
    description: 'Percentage of successful requests below which an endpoint is ejected. Defaults to 80.',
  }),
  window: duration.optional().meta({ description: 'Time over which requests are counted. Defaults to 10s.' }),
  minRequests: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Requests in the window below which an endpoint is not judged. Defaults to 20.' }),
});

const ejection = withRules(
  z.strictObject({
    base: duration.optional().meta({
      description: 'Length of the first ejection; each further one is twice as long. Defaults to 30s.',
    }),
    max: duration.optional().meta({ description: 'Length of the longest ejection. Defaults to 300s.' }),
    maxPercent: percent.optional().meta({
      description:
        'Percentage of the endpoints that may be ejected at a time; one may always be. Defaults to 50. With 0 none is ejected, and those that would be are counted.',
    }),
    panicPercent: percent.optional().meta({
      description:
        'Percentage of the endpoints below which ejections are ignored, because those that are left would be overloaded. Defaults to 50.',
    }),
  }),
  {
    cel: '!has(self.base) || !has(self.max) || duration(self.base) <= duration(self.max)',
    message: 'the first ejection is longer than the longest; raise max',
    field: '.max',
    holds: ({ base, max }) => {
      const [first, longest] = [durationMs(base ?? ''), durationMs(max ?? '')];
      return first === undefined || longest === undefined || first <= longest;
    },
  },
);

const count = (least: number) => z.int().min(least).max(1_000_000).optional();

const limitFields = {
  maxConnections: count(1).meta({
    description:
      "Connections that one worker thread of a caller's proxy may use at a time: to opaque ports, and over HTTP/1.1 to endpoints without a proxy. No limit by default.",
  }),
  maxRequests: count(1).meta({
    description:
      "Requests that one worker thread of a caller's proxy may have in flight, each until the end of its response. No limit by default.",
  }),
  maxPending: count(0).meta({
    description:
      'Requests and connections that may wait when a limit is reached; further ones get 503 at once. Defaults to 0.',
  }),
  adaptiveConcurrency: z
    .strictObject({
      min: count(1).meta({ description: 'Lower bound of the limit. Defaults to 3.' }),
      max: count(1).meta({ description: 'Upper bound of the limit. Defaults to 1000.' }),
    })
    .optional()
    .meta({
      description:
        'Limits the requests whose response has not begun to as many as the destination handles without queueing, which is measured by its latency. {} turns it on.',
    }),
};

interface Limited {
  readonly maxConnections?: unknown;
  readonly maxRequests?: unknown;
  readonly maxPending?: unknown;
  readonly adaptiveConcurrency?:
    { readonly min?: number | undefined; readonly max?: number | undefined } | undefined;
}

const limitRules = [
  {
    cel: '!has(self.maxPending) || has(self.maxConnections) || has(self.maxRequests) || has(self.adaptiveConcurrency)',
    message: 'has no limit to wait for; give maxConnections, maxRequests or adaptiveConcurrency as well',
    field: '.maxPending',
    holds: ({ maxPending, maxConnections, maxRequests, adaptiveConcurrency }: Limited) =>
      maxPending === undefined ||
      [maxConnections, maxRequests, adaptiveConcurrency].some((limit) => limit !== undefined),
  },
  {
    cel: '!has(self.adaptiveConcurrency) || (has(self.adaptiveConcurrency.min) ? self.adaptiveConcurrency.min : 3) <= (has(self.adaptiveConcurrency.max) ? self.adaptiveConcurrency.max : 1000)',
    message: 'min (3 when absent) is greater than max (1000 when absent)',
    field: '.adaptiveConcurrency',
    holds: ({ adaptiveConcurrency: adaptive }: Limited) =>
      adaptive === undefined || (adaptive.min ?? 3) <= (adaptive.max ?? 1000),
  },
];

/** How much of a route's work a caller may have under way. */
export const limits = withRules(z.strictObject(limitFields), ...limitRules, {
  cel: 'has(self.maxConnections) || has(self.maxRequests) || has(self.maxPending) || has(self.adaptiveConcurrency)',
  message: 'is empty; give maxConnections, maxRequests or adaptiveConcurrency, or remove it',
  holds: (given) => Object.values(given).some((value) => value !== undefined),
});

const fields = z.strictObject({
  consecutiveFailures: inARow(
    'Consecutive failures of any kind after which an endpoint is ejected: HTTP status 500 to 599, gRPC status 2, 4, 13, 14 or 15, no connection, or no response.',
  ),
  consecutiveGatewayErrors: inARow(
    'Consecutive responses with HTTP status 502 to 504, or gRPC status 4 or 14, after which an endpoint is ejected.',
  ),
  consecutiveLocalErrors: inARow(
    'Consecutive requests without a response (no connection, a reset, or an attempt that timed out) after which an endpoint is ejected.',
  ),
  successRate: successRate
    .optional()
    .meta({ description: 'Ejects an endpoint if too many of its requests fail.' }),
  ejection: ejection
    .optional()
    .meta({ description: 'How long endpoints are ejected, and how many at a time.' }),
  ...limitFields,
});

const CONDITIONS = [
  'consecutiveFailures',
  'consecutiveGatewayErrors',
  'consecutiveLocalErrors',
  'successRate',
] as const;

export const circuitBreaker = withRules(fields, ...limitRules, {
  cel: `!has(self.ejection) || ${CONDITIONS.map((name) => `has(self.${name})`).join(' || ')}`,
  message: `says how to eject but not when; give one of ${CONDITIONS.join(', ')}`,
  field: '.ejection',
  holds: (given) => given.ejection === undefined || CONDITIONS.some((name) => given[name] !== undefined),
});
