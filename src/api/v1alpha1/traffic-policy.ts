import * as z from 'zod';
import { type Kind, objectSchema } from '../schema/kind.js';
import { withRules } from '../schema/rule.js';
import { circuitBreaker } from './circuit-breaker.js';
import { externalAuthorization } from './external-authorization.js';
import { loadBalancer } from './load-balancer.js';
import { rateLimit } from './rate-limit.js';
import { route } from './route.js';
import { policyTracing } from './tracing.js';
import { policyAccessLog } from './access-log.js';
import { DEPRECATED } from './deprecated.js';
import { UNSUPPORTED } from './unsupported.js';
import { targetRef, targetRules } from './target-ref.js';

const specFields = z.strictObject({
  targetRefs: z
    .array(targetRef)
    .min(1)
    .max(16)
    .meta({ description: 'The objects whose traffic the policy shapes.' }),
  routes: z.array(route).max(64).optional().meta({
    description:
      'Routes, in order: the first that matches a request handles it. By default one route that matches every request.',
  }),
  loadBalancer: loadBalancer.optional().meta({ description: 'How an endpoint is chosen.' }),
  circuitBreaker: circuitBreaker
    .optional()
    .meta({ description: 'When an endpoint, or the whole destination, is spared from further requests.' }),
  rateLimit: rateLimit.optional().meta({
    description:
      'How many requests the pods of a Service accept over HTTP and gRPC or, with the field `to`, send. A request that is one too many for any of the limits gets 429, or RESOURCE_EXHAUSTED. Enforced by the proxies of those pods, whoever calls or is called.',
  }),
  externalAuthorization: externalAuthorization.optional().meta({
    description:
      'Asks another service whether a request may reach the pods of a Service, over HTTP and gRPC. Asked by the proxies of those pods, whoever calls, after JWT and access rules and before rate limits.',
  }),
  tracing: policyTracing.optional().meta({
    description:
      'Distributed tracing of requests to a Service, where the MeshConfig has tracing. Without that it does nothing.',
  }),
  accessLog: policyAccessLog.optional().meta({
    description:
      'Access log of requests to a Service, at their caller and at the receiver, overriding the MeshConfig. Format, fields and headers are those of the MeshConfig. The annotation weft.dev/access-log of a pod takes precedence.',
  }),
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
  unsupported: UNSUPPORTED,
  deprecated: DEPRECATED,
  columns: [
    { name: 'Target', type: 'string', jsonPath: '.spec.targetRefs[0].name' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Resolved', type: 'string', jsonPath: '.status.conditions[?(@.type=="ResolvedRefs")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
