const limited = (...rateLimit: object[]): object => ({ rateLimit });
const keyed = (...key: object[]): object => limited({ requests: 1, per: '1s', key });

/** Specs with rate limits that are good by themselves. */
export const GOOD_RATE_LIMITS: readonly (readonly [what: string, spec: object])[] = [
  ['a rate limit', limited({ requests: 100, per: '1s' })],
  [
    'rate limits of every kind',
    limited(
      { name: 'all', requests: 1_000_000, per: '24h', burst: 1, scope: 'Pod' },
      { name: 'a', requests: 1, per: '1ms', scope: 'Service', mode: 'DryRun', key: [{ header: 'X-User' }] },
      { requests: 1, per: '1s', mode: 'Enforce', key: [{ caller: 'ServiceAccount' }, { request: 'Path' }] },
    ),
  ],
];

/** Specs with rate limits that cannot be, the field that is blamed, and what is said about it. */
export const BAD_RATE_LIMITS: readonly (readonly [
  what: string,
  spec: object,
  field: string,
  message: string,
])[] = [
  [
    'a rate limit over no time',
    limited({ requests: 1, per: '0s' }),
    'spec.rateLimit[0].per',
    'must be between 1ms and 24h',
  ],
  [
    'a rate limit over a week',
    limited({ requests: 1, per: '168h' }),
    'spec.rateLimit[0].per',
    'must be between 1ms and 24h',
  ],
  [
    'two rate limits of one name',
    limited({ name: 'a', requests: 1, per: '1s' }, { name: 'a', requests: 2, per: '1s' }),
    'spec.rateLimit',
    'two limits have the same name',
  ],
  [
    'a key of two things',
    keyed({ header: 'a', request: 'Path' }),
    'spec.rateLimit[0].key[0]',
    'give exactly one of caller',
  ],
  ['a key of nothing', keyed({}), 'spec.rateLimit[0].key[0]', 'give exactly one of caller'],
];

const rated = (fields: object): object => ({
  targetRefs: [{ kind: 'Service', name: 'reviews', port: 8080 }],
  rateLimit: [{ requests: 1, per: '1s', ...fields }],
});
const ratedBy = (part: object): object => rated({ key: [part] });

/** For each field of a limit two specs that differ in it, and that a pod of the Service is told of differently. */
export const RATE_LIMIT_FIELDS: Readonly<Record<string, [object, object]>> = {
  'spec.rateLimit[].name': [rated({ name: 'a' }), rated({ name: 'b' })],
  'spec.rateLimit[].requests': [rated({}), rated({ requests: 2 })],
  'spec.rateLimit[].per': [rated({}), rated({ per: '1m' })],
  'spec.rateLimit[].burst': [rated({}), rated({ burst: 9 })],
  'spec.rateLimit[].scope': [rated({}), rated({ scope: 'Pod' })],
  'spec.rateLimit[].mode': [rated({}), rated({ mode: 'DryRun' })],
  'spec.rateLimit[].key[].caller': [ratedBy({ caller: 'Address' }), ratedBy({ caller: 'Network' })],
  'spec.rateLimit[].key[].request': [ratedBy({ request: 'Method' }), ratedBy({ request: 'Path' })],
  'spec.rateLimit[].key[].header': [ratedBy({ header: 'a' }), ratedBy({ header: 'b' })],
};
