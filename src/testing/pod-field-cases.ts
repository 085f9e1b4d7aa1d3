import { EXTERNAL_CHECK_FIELDS } from './external-check-cases.js';
import { RATE_LIMIT_FIELDS } from './rate-limit-cases.js';

export { withIssuers } from './rate-limit-cases.js';

const sampled = (sampling: object): object => ({ tracing: { sampling } });

const logged = (accessLog: object): object => ({ accessLog: { mode: 'Selected', ...accessLog } });
const selected = (select: object): object => logged({ select });

/** For each field that the pods of a Service enforce two specs that differ in it, and that a pod is told of differently. */
export const POD_FIELDS: Readonly<Record<string, [object, object]>> = {
  ...RATE_LIMIT_FIELDS,
  ...EXTERNAL_CHECK_FIELDS,
  'spec.accessLog.mode': [{ accessLog: { mode: 'All' } }, { accessLog: { mode: 'None' } }],
  'spec.accessLog.query': [
    { accessLog: { mode: 'All', query: 'Remove' } },
    { accessLog: { mode: 'All', query: 'Keep' } },
  ],
  'spec.accessLog.select.outcomes': [selected({ outcomes: ['Error'] }), selected({ outcomes: ['Denied'] })],
  'spec.accessLog.select.slowerThan': [selected({ slowerThan: '1s' }), selected({ slowerThan: '2s' })],
  'spec.accessLog.select.sampling.percent': [
    selected({ sampling: { percent: 1 } }),
    selected({ sampling: { percent: 2 } }),
  ],
  'spec.accessLog.select.sampling.fraction.numerator': [
    selected({ sampling: { fraction: { numerator: 1 } } }),
    selected({ sampling: { fraction: { numerator: 2 } } }),
  ],
  'spec.accessLog.select.sampling.fraction.denominator': [
    selected({ sampling: { fraction: { numerator: 1 } } }),
    selected({ sampling: { fraction: { numerator: 1, denominator: 1000 } } }),
  ],
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
