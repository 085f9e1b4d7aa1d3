import * as z from 'zod';
import { duration, percent } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { repeatedMethods } from './repeated-methods.js';

const RETRY_CONDITIONS = [
  'connect-failure',
  'reset',
  'refused-stream',
  '5xx',
  'gateway-error',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

const retryConditions = z.array(z.enum(RETRY_CONDITIONS)).min(1).max(16).optional();

const retryFields = z.strictObject({
  attempts: z
    .int()
    .min(1)
    .max(10)
    .optional()
    .meta({ description: 'Retries after the first attempt. Defaults to 2.' }),
  conditions: retryConditions.meta({
    description:
      'Failures that are retried. Defaults to connect-failure, reset, refused-stream, gateway-error and unavailable.',
  }),
  on: retryConditions.meta({
    description:
      'Deprecated: the old name of conditions, which has to be quoted because YAML 1.1 reads the bare word as true.',
  }),
  statuses: z
    .array(z.int().min(400).max(599))
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'HTTP statuses that are retried, in addition to `conditions`.' }),
  methods: repeatedMethods.meta({
    description:
      'Methods that are retried even if the server may have acted on the request. Defaults to the idempotent ones: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. A gRPC code in `conditions` applies to gRPC calls regardless of the method if the server answered with it; a call that broke off is retried only if POST is listed.',
  }),
  backoff: duration.optional().meta({
    description:
      'Minimum pause before the first retry. It doubles with each retry up to ten times this value, and up to a quarter is added at random so that callers do not retry in step. By default a random pause of up to 25ms, growing to 250ms.',
  }),
  budget: z
    .strictObject({
      percent: percent
        .optional()
        .meta({ description: 'Retries, as a percentage of the requests in the interval. Defaults to 20.' }),
      interval: duration
        .optional()
        .meta({ description: 'Interval over which requests and retries are counted. Defaults to 10s.' }),
      minPerSecond: z
        .int()
        .min(0)
        .max(1_000_000)
        .optional()
        .meta({ description: 'Retries that each proxy may always send, per second. Defaults to 10.' }),
    })
    .optional()
    .meta({ description: 'Limits all retries together, so that they cannot make an overload worse.' }),
});

export const retries = withRules(retryFields, {
  cel: '!has(self.conditions) || !has(self.on)',
  message: 'is the old name of conditions; give conditions alone',
  field: '.on',
  holds: ({ conditions, on }) => conditions === undefined || on === undefined,
});
