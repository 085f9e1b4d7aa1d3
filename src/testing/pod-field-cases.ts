import { EXTERNAL_CHECK_FIELDS } from './external-check-cases.js';
import { RATE_LIMIT_FIELDS } from './rate-limit-cases.js';

export { withIssuers } from './rate-limit-cases.js';

const sampled = (sampling: object): object => ({ tracing: { sampling } });

/** For each field that the pods of a Service enforce two specs that differ in it, and that a pod is told of differently. */
export const POD_FIELDS: Readonly<Record<string, [object, object]>> = {
  ...RATE_LIMIT_FIELDS,
  ...EXTERNAL_CHECK_FIELDS,
  'spec.tracing.sampling.percent': [sampled({ percent: 1 }), sampled({ percent: 2 })],
  'spec.tracing.sampling.fraction.numerator': [
    sampled({ fraction: { numerator: 1 } }),
    sampled({ fraction: { numerator: 2 } }),
  ],
  'spec.tracing.sampling.fraction.denominator': [
    sampled({ fraction: { numerator: 1 } }),
    sampled({ fraction: { numerator: 1, denominator: 1000 } }),
  ],
};
