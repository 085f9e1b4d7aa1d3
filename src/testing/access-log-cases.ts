/** Specs of policies about the access log that make sense. */
export const GOOD_ACCESS_LOGS: readonly (readonly [what: string, spec: object])[] = [
  ['slow requests logged', { accessLog: { mode: 'Selected', select: { slowerThan: '1s' } } }],
];

/** Those that do not: with the field at fault, and what is said of it. */
export const BAD_ACCESS_LOGS: readonly (readonly [
  what: string,
  spec: object,
  field: string,
  message: string,
])[] = [
  [
    'what to select in a log of all requests',
    { accessLog: { mode: 'All', select: { slowerThan: '1s' } } },
    'spec.accessLog.select',
    'select goes with the mode Selected',
  ],
  [
    'a log that selects nothing',
    { accessLog: { mode: 'Selected', select: {} } },
    'spec.accessLog.select',
    'give at least one of outcomes, slowerThan and sampling',
  ],
  [
    'requests slower than a day',
    { accessLog: { mode: 'Selected', select: { slowerThan: '24h' } } },
    'spec.accessLog.select.slowerThan',
    'must be between 1ms and 1h',
  ],
];
