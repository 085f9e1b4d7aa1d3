import * as z from 'zod';
import { duration, headerName } from '../schema/fields.js';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';
import { circuitBreaker } from './circuit-breaker.js';
import { loadBalancer } from './load-balancer.js';
import { route } from './route.js';
import { targetRef, targetRules } from './target-ref.js';

const rateLimit = z
  .array(
    z.strictObject({
      requests: z.int().min(1).max(1_000_000).meta({ description: 'How many requests.' }),
      per: duration.meta({ description: 'In which time.' }),
      burst: z.int().min(1).max(1_000_000).optional().meta({ description: 'How many at once.' }),
      key: z
        .array(z.strictObject({ header: headerName.meta({ description: 'Name of a header.' }) }))
        .min(1)
        .max(4)
        .optional()
        .meta({ description: 'Counts apart by these values.' }),
      scope: z
        .enum(['local', 'global'])
        .optional()
        .meta({ description: 'local: each receiving pod counts for itself. global: all count together.' }),
    }),
  )
  .min(1)
  .max(16);

const specFields = z.strictObject({
  targetRefs: z
    .array(targetRef)
    .min(1)
    .max(16)
    .meta({ description: 'The objects whose traffic the policy shapes.' }),
  routes: z
    .array(route)
    .max(64)
    .optional()
    .meta({ description: 'The first that matches is taken. One that matches everything by default.' }),
  loadBalancer: loadBalancer.optional().meta({ description: 'How an endpoint is chosen.' }),
  circuitBreaker: circuitBreaker
    .optional()
    .meta({ description: 'When an endpoint or the destination gets a rest.' }),
  rateLimit: rateLimit.optional().meta({ description: 'How many requests the receiver takes.' }),
});

const spec = withRules(specFields, ...targetRules);

const schema = objectSchema('TrafficPolicy', spec);

/** Shapes the traffic to some Services: which endpoints requests go to, and how. */
export type TrafficPolicy = z.infer<typeof schema>;

export const trafficPolicy = {
  kind: 'TrafficPolicy',
  plural: 'trafficpolicies',
  singular: 'trafficpolicy',
  shortNames: ['tp'],
  scope: 'Namespaced',
  description: 'Shapes the traffic to some Services: which endpoints requests go to, and how.',
  schema,
  spec,
  rules: [],
  status: true,
  columns: [
    { name: 'Target', type: 'string', jsonPath: '.spec.targetRefs[0].name' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
