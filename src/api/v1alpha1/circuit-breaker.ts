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
  maxConnections: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Connections of a caller to the destination.' }),
  maxPending: z
    .int()
    .min(0)
    .max(1_000_000)
    .optional()
    .meta({ description: 'Requests that may wait for a connection.' }),
});

const CONDITIONS = [
  'consecutiveFailures',
  'consecutiveGatewayErrors',
  'consecutiveLocalErrors',
  'successRate',
] as const;

export const circuitBreaker = withRules(fields, {
  cel: `!has(self.ejection) || ${CONDITIONS.map((name) => `has(self.${name})`).join(' || ')}`,
  message: `says how to eject and not when; give one of ${CONDITIONS.join(', ')}`,
  field: '.ejection',
  holds: (given) => given.ejection === undefined || CONDITIONS.some((name) => given[name] !== undefined),
});
