import * as z from 'zod';
import { duration } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { onePortion, portion } from './portion.js';

export const fault = withRules(
  z.strictObject({
    abort: withRules(
      z.strictObject({
        ...portion,
        status: z.int().min(200).max(599).meta({ description: 'HTTP status of the response.' }),
        grpcStatus: z.int().min(1).max(16).optional().meta({
          description:
            'gRPC status that gRPC callers get. By default what their libraries derive from the HTTP status, such as 14 (UNAVAILABLE) from 429 and 502 to 504.',
        }),
      }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Answers requests instead of the destination.' }),
    delay: withRules(
      z.strictObject({ ...portion, duration: duration.meta({ description: 'Length of the delay.' }) }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Delays requests.' }),
    slowBody: withRules(
      z.strictObject({
        ...portion,
        bytesPerSecond: z
          .int()
          .min(1)
          .max(1_000_000_000)
          .meta({ description: 'Rate of a body, in bytes per second.' }),
      }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Slows down the bodies of responses.' }),
    maxActive: z.int().min(1).max(1_000_000).optional().meta({
      description:
        "Requests to the destination that one worker thread of a caller's proxy may fail, delay or slow down at a time; further ones are left alone. Defaults to 1000.",
    }),
  }),
  {
    cel: 'has(self.abort) || has(self.delay) || has(self.slowBody)',
    message: 'does nothing; give abort, delay or slowBody, or remove it',
    holds: ({ abort, delay, slowBody }) => [abort, delay, slowBody].some((given) => given !== undefined),
  },
);
