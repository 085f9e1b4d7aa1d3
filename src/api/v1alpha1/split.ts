import * as z from 'zod';
import { dnsLabel, podLabels, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { headers } from './header-changes.js';

/** A Service that traffic may be sent to. */
export const serviceReference = z.strictObject({
  name: dnsLabel.meta({ description: 'Name of the Service.' }),
  namespace: dnsLabel
    .optional()
    .meta({ description: 'Its namespace. Defaults to the namespace of the policy.' }),
  port: port.optional().meta({ description: 'Its port. Defaults to the port that the caller connected to.' }),
});

const splitEntry = withRules(
  z.strictObject({
    service: serviceReference.optional().meta({
      description: 'Service that gets this share. Defaults to the Service that the policy targets.',
    }),
    labels: podLabels
      .optional()
      .meta({ description: 'Restricts the endpoints to those whose pod has all these labels.' }),
    weight: z
      .int()
      .min(0)
      .max(1_000_000)
      .optional()
      .meta({ description: 'Share of the requests, relative to the sum of all weights. Defaults to 1.' }),
    fallback: z.boolean().optional().meta({
      description:
        'Whether to use the other endpoints of the Service when none with these labels is ready. Defaults to false.',
    }),
    fallbackLabels: podLabels.optional().meta({
      description:
        'Restricts the fallback to endpoints whose pod has all these labels, such as those of the main lane. By default the fallback uses every endpoint.',
    }),
    headers: headers
      .optional()
      .meta({ description: 'Header changes for this share, applied after those of the route.' }),
  }),
  {
    cel: '!(has(self.fallback) && self.fallback) || has(self.labels)',
    message: 'fallback needs labels to fall back from; add labels or remove fallback',
    field: '.fallback',
    holds: ({ fallback, labels }) => fallback !== true || labels !== undefined,
  },
  {
    cel: '!has(self.fallbackLabels) || (has(self.fallback) && self.fallback)',
    message: 'says where to fall back to, but there is no fallback; add fallback: true or remove it',
    field: '.fallbackLabels',
    holds: ({ fallback, fallbackLabels }) => fallbackLabels === undefined || fallback === true,
  },
);

/** Where the requests of a route go. */
export const split = withRules(z.array(splitEntry).min(1).max(16), {
  cel: 'self.exists(entry, !has(entry.weight) || entry.weight > 0)',
  message:
    'every weight is 0, so that no request could go anywhere; give at least one entry a weight above 0',
  holds: (entries) => entries.some(({ weight }) => weight !== 0),
});
