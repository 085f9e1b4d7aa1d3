import * as z from 'zod';
import { withRules } from '../schema/rule.js';
import { collector } from './collector.js';
import { onePortion, portion } from './portion.js';

/** Which of the traces that begin in a proxy are sampled. */
export const sampling = withRules(z.strictObject(portion), onePortion);

/** Who is told of requests as traces. */
export const tracing = z.strictObject({
  collector: collector('spans', '/v1/traces').meta({ description: 'Where spans are sent.' }),
  sampling: sampling.meta({
    description:
      'Share of the traces that begin in a proxy to sample. A request that already belongs to a trace is sampled if that trace is, whatever this says.',
  }),
});

/** What a policy says of the traces of its Service. */
export const policyTracing = z.strictObject({
  sampling: sampling.meta({
    description:
      'Share of the traces that begin with a request to the Service to sample, overriding the MeshConfig. A request that already belongs to a trace is sampled if that trace is.',
  }),
});
