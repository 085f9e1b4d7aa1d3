import * as z from 'zod';
import { headerName, podLabels } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { onePortion, portion } from './portion.js';
import { serviceReference } from './split.js';

const compare = z.strictObject({
  headers: z
    .array(headerName)
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'Headers whose values are compared. None by default.' }),
  body: z
    .boolean()
    .optional()
    .meta({ description: 'Whether to compare bodies, up to their first MiB. Defaults to true.' }),
});

const mirrorEntry = withRules(
  z.strictObject({
    service: serviceReference.optional().meta({
      description: 'Service that gets the copies. Defaults to the Service that the policy targets.',
    }),
    labels: podLabels
      .optional()
      .meta({ description: 'Restricts the endpoints to those whose pod has all these labels.' }),
    ...portion,
    compare: compare.optional().meta({
      description:
        'Compares the response to each copy with the response to the request, and counts those that differ in their status, in these headers or in their body.',
    }),
  }),
  onePortion,
  {
    cel: 'has(self.service) || has(self.labels)',
    message: 'would send each copy where its request goes; give service or labels',
    holds: ({ service, labels }) => service !== undefined || labels !== undefined,
  },
);

/** Copies of requests, whose answers nobody waits for. */
export const mirror = z.array(mirrorEntry).min(1).max(16);
