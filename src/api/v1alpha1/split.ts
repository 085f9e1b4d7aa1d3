import * as z from 'zod';
import { dnsLabel, podLabels, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { headers } from './header-changes.js';

/** A Service that traffic may be sent to. */
export const serviceReference = z.strictObject({
  name: dnsLabel.meta({ description: 'Name of the Service.' }),
  namespace: dnsLabel.optional().meta({ description: "Its namespace. The policy's own by default." }),
  port: port.optional().meta({ description: 'Its port. By default the port that the caller asked for.' }),
});

const splitEntry = withRules(
  z.strictObject({
    service: serviceReference
      .optional()
      .meta({ description: 'Where this share goes. The Service that the policy targets by default.' }),
    labels: podLabels.optional().meta({ description: 'Only endpoints whose pod has all these labels.' }),
    weight: z
      .int()
      .min(0)
      .max(1_000_000)
      .optional()
      .meta({ description: 'Share of the requests, relative to the sum of all weights. 1 by default.' }),
    fallback: z.boolean().optional().meta({
      description:
        'When no endpoint with the labels is ready, use the rest of the Service. false by default.',
    }),
    fallbackLabels: podLabels.optional().meta({
      description:
        'Falls back to the endpoints whose pod has all these labels only, such as those of the main lane. Every endpoint by default.',
    }),
    headers: headers
      .optional()
      .meta({ description: "Changes of headers for this share; they come after the route's." }),
  }),
  {
    cel: '!(has(self.fallback) && self.fallback) || has(self.labels)',
    message: 'fallback needs labels to fall back from; add labels or remove fallback',
    field: '.fallback',
    holds: ({ fallback, labels }) => fallback !== true || labels !== undefined,
  },
  {
    cel: '!has(self.fallbackLabels) || (has(self.fallback) && self.fallback)',
    message: 'says where a fallback leads, and there is none; add fallback: true or remove it',
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
