import * as z from 'zod';
import { withRules } from '../schema/rule.js';

export const directResponse = withRules(
  z.strictObject({
    status: z.int().min(200).max(599).meta({ description: 'HTTP status of the response.' }),
    body: z.string().max(4096).optional().meta({ description: 'Body of the response. None by default.' }),
    contentType: z
      .string()
      .min(1)
      .max(128)
      .regex(/^[ -~]+$/)
      .optional()
      .meta({ description: 'Content type of the body. Defaults to text/plain; charset=utf-8.' }),
  }),
  {
    cel: '!has(self.body) || !(self.status in [204, 205, 304])',
    message: 'an answer with status 204, 205 or 304 has no body; remove it or choose another status',
    field: '.body',
    holds: ({ status, body }) => body === undefined || ![204, 205, 304].includes(status),
  },
);
