import { EXTERNAL_CHECK_FIELDS } from './external-check-cases.js';
import { RATE_LIMIT_FIELDS } from './rate-limit-cases.js';

export { withIssuers } from './rate-limit-cases.js';

/** For each field that the pods of a Service enforce two specs that differ in it, and that a pod is told of differently. */
export const POD_FIELDS: Readonly<Record<string, [object, object]>> = {
  ...RATE_LIMIT_FIELDS,
  ...EXTERNAL_CHECK_FIELDS,
};
