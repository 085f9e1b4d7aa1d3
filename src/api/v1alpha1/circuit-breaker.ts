import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, percent } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** When an endpoint gets a rest, and how much of a destination's work a caller may have under way. */

const inARow = (what: string) => z.int().min(1).max(1000).optional().meta({ description: what });

const successRate = z.strictObject({
  below: z.int().min(1).max(100).optional().meta({
    description: 'Percent of the requests; an endpoint where fewer succeed is ejected. 80 by default.',
  }),
  window: duration.optional().meta({ description: 'Time that is looked at. 10s by default.' }),
  minRequests: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Fewer requests in the window say nothing. 20 by default.' }),
});

const ejection = withRules(
  z.strictObject({
    base: duration.optional().meta({
      description: 'Length of the first ejection; the second is twice as long, and so on. 30s by default.',
    }),
    max: duration.optional().meta({ description: 'Length of the longest ejection. 300s by default.' }),
    maxPercent: percent.optional().meta({
      description:
        'Part of the endpoints that may be ejected at a time; one may always be. 50 by default; 0 only counts what would be ejected.',
    }),
    panicPercent: percent.optional().meta({
      description:
        'Where fewer than this part of the endpoints is left, ejections are ignored, since those that are left would be overloaded. 50 by default.',
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
      'Connections that one worker of a caller may have in use: of opaque ports, and of HTTP/1.1 to endpoints without a proxy. No limit by default.',
  }),
  maxRequests: count(1).meta({
    description:
      'Requests that one worker of a caller may have under way, until the end of their responses. No limit by default.',
  }),
  maxPending: count(0).meta({
    description:
      'Requests and connections that wait when a limit is reached; others are answered 503 at once. 0 by default.',
  }),
  adaptiveConcurrency: z
    .strictObject({
      min: count(1).meta({ description: 'The limit never is lower. 3 by default.' }),
      max: count(1).meta({ description: 'The limit never is higher. 1000 by default.' }),
    })
    .optional()
    .meta({
      description:
        'Limits the requests whose answer has not begun, to what the destination works on without a queue, found by its latency. {} turns it on.',
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
    message: 'waits for no limit; give maxConnections, maxRequests or adaptiveConcurrency too',
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
    'Failures in a row, of any kind, that eject an endpoint: status 500 to 599, gRPC status 2, 4, 13, 14 or 15, no connection, or no answer.',
  ),
  consecutiveGatewayErrors: inARow(
    'Answers in a row with status 502 to 504, or gRPC status 4 or 14, that eject an endpoint.',
  ),
  consecutiveLocalErrors: inARow(
    'Requests in a row without an answer (no connection, a reset, a try that took too long) that eject an endpoint.',
  ),
  successRate: successRate
    .optional()
    .meta({ description: 'Ejects an endpoint that fails too many of its requests.' }),
  ejection: ejection.optional().meta({ description: 'How endpoints are ejected.' }),
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
  message: `says how to eject and not when; give one of ${CONDITIONS.join(', ')}`,
  field: '.ejection',
  holds: (given) => given.ejection === undefined || CONDITIONS.some((name) => given[name] !== undefined),
});
