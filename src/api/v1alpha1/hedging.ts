import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { repeatedMethods } from './repeated-methods.js';

export const hedging = withRules(
  z.strictObject({
    delay: duration.optional().meta({ description: 'Time without a response after which a copy is sent.' }),
    percentile: z.int().min(50).max(99).optional().meta({
      description:
        "Sends a copy when a request takes longer than this percentile of the route's recent requests. No copies are sent before 50 requests are known.",
    }),
    attempts: z
      .int()
      .min(1)
      .max(5)
      .optional()
      .meta({ description: 'Copies in addition to the first request. Defaults to 1.' }),
    methods: repeatedMethods.meta({
      description:
        'Methods of requests that may be copied. Defaults to the idempotent ones: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. gRPC needs POST.',
    }),
  }),
  {
    cel: 'has(self.delay) != has(self.percentile)',
    message: 'give exactly one of delay and percentile',
    holds: ({ delay, percentile }) => (delay === undefined) !== (percentile === undefined),
  },
  {
    cel: "!has(self.delay) || duration(self.delay) > duration('0s')",
    message: 'would send every request twice; give a time above 0s',
    field: '.delay',
    holds: ({ delay }) => delay === undefined || durationMs(delay) !== 0,
  },
);
