import { createHash } from 'node:crypto';
import * as z from 'zod';
import { specSchema } from './generate/kind-schema.js';
import { backendTrafficPolicy, grpcRoute, httpRoute } from './gateway-api/index.js';
import { trafficPolicy } from './v1alpha1/traffic-policy.js';

/**
 * What this version of Weft can read, as a short text: two versions with the same one read the same TrafficPolicies and
 * routes.
 */
export const READER = createHash('sha256')
  .update(
    JSON.stringify([specSchema(trafficPolicy), ...[httpRoute, grpcRoute, backendTrafficPolicy].map(shapeOf)]),
  )
  .digest('hex')
  .slice(0, 12);

function shapeOf(schema: z.ZodType): unknown {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}
