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
    .meta({ description: 'Compare bodies, up to their first MiB. true by default.' }),
});

const mirrorEntry = withRules(
  z.strictObject({
    service: serviceReference
      .optional()
      .meta({ description: 'Where the copy goes. The Service that the policy targets by default.' }),
    labels: podLabels.optional().meta({ description: 'Only endpoints whose pod has all these labels.' }),
    ...portion,
    compare: compare.optional().meta({
      description:
        "Compares each answer to a copy with the request's own, and counts where they differ: in status, in these headers, in the body.",
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
