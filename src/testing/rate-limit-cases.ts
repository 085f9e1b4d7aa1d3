import type { MeshTables } from '../model/index.js';

const limited = (...rateLimit: object[]): object => ({ rateLimit });
/** A limit on what pods send. */
const sent = (fields: object): object => ({
  requests: 9,
  per: '1s',
  to: { kind: 'Service', name: 'next' },
  ...fields,
});
const keyed = (...key: object[]): object => limited({ requests: 1, per: '1s', key });

/** A limit that a service counts. */
const shared = (fields: object): object => ({
  requests: 9,
  per: '1s',
  scope: 'Shared',
  service: { name: 'next', port: 8080 },
  ...fields,
});
/** One of which only the service knows how much it is. */
const unknown = (fields: object): object => {
  const key = [{ constant: { name: 'generic_key', value: 'logins' } }];
  return { scope: 'Shared', service: { name: 'next', port: 8080 }, key, ...fields };
};

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
  [
    'rate limits of some requests, by what they cost',
    limited(
      {
        requests: 5,
        per: '1s',
        match: [{ method: 'POST', path: { exact: '/login' } }, { headers: [{ name: 'a', present: true }] }],
      },
      { requests: 1000, per: '1m', burst: 50, cost: { amount: 50, responseHeader: 'X-Tokens' } },
      { requests: 1000, per: '1m', cost: { responseHeader: 'X-Tokens' } },
      { requests: 1000, per: '1m', cost: { amount: 5, responseField: ['usage', 'total_tokens'] } },
      { requests: 9, per: '1s', key: [{ claim: { issuer: 'https://id.example', path: ['org', 'id'] } }] },
    ),
  ],
  [
    'rate limits on what pods send',
    limited(
      sent({}),
      sent({
        to: { kind: 'Service', name: 'next', namespace: 'policy' },
        scope: 'Pod',
        burst: 1,
        mode: 'DryRun',
      }),
      sent({
        to: { kind: 'ExternalService', name: 'stripe.api' },
        cost: { responseField: ['usage', 'tokens'] },
      }),
      sent({
        scope: 'Service',
        key: [{ header: 'x-tenant' }, { request: 'Path' }],
        match: [{ method: 'POST' }],
      }),
    ),
  ],
  [
    'rate limits that a service counts',
    limited(
      shared({}),
      shared({
        per: '60s',
        burst: 3,
        onFailure: 'PodShare',
        cost: { amount: 3, responseHeader: 'X-Tokens' },
      }),
      shared({ per: '1h', service: { name: 'next', namespace: 'policy', port: 8081, domain: 'shop' } }),
      shared({ per: '24h', timeout: '10s', onFailure: 'Deny', mode: 'DryRun' }),
      unknown({}),
      unknown({ onFailure: 'Allow', cost: { amount: 1_000_000 }, key: [{ header: 'a' }] }),
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
  [
    'a limit of requests that nothing is said about',
    limited({ requests: 1, per: '1s', match: [{}] }),
    'spec.rateLimit[0].match[0]',
    'is empty; give headers, path or method',
  ],
  [
    'a path of two kinds in a limit',
    limited({ requests: 1, per: '1s', match: [{ path: { exact: '/a', prefix: '/b' } }] }),
    'spec.rateLimit[0].match[0].path',
    'give exactly one of exact, prefix and regex',
  ],
  [
    'a cost of nothing',
    limited({ requests: 1, per: '1s', cost: {} }),
    'spec.rateLimit[0].cost',
    'is empty; give amount, responseHeader or responseField',
  ],
  [
    'a cost that is told twice',
    limited({ requests: 1, per: '1s', cost: { responseHeader: 'a', responseField: ['b'] } }),
    'spec.rateLimit[0].cost',
    'give one of responseHeader and responseField',
  ],
  [
    'a request that costs more than may come at once',
    limited({ requests: 100, per: '1s', burst: 4, cost: { amount: 5 } }),
    'spec.rateLimit[0].cost.amount',
    'is more than burst',
  ],
  [
    'no amount',
    limited({ scope: 'Service', key: [{ header: 'a' }] }),
    'spec.rateLimit[0]',
    'give requests and per; only with scope Shared may both be left out',
  ],
  ['half an amount', limited(unknown({ per: '1s' })), 'spec.rateLimit[0]', 'give requests and per'],
  [
    'a shared limit that nobody counts',
    limited({ requests: 1, per: '1s', scope: 'Shared' }),
    'spec.rateLimit[0].service',
    'goes with scope Shared',
  ],
  [
    'a service that is not asked',
    limited({ requests: 1, per: '1s', service: { name: 'next', port: 8080 } }),
    'spec.rateLimit[0].service',
    'goes with scope Shared',
  ],
  [
    'a failure of nobody',
    limited({ requests: 1, per: '1s', onFailure: 'Allow' }),
    'spec.rateLimit[0]',
    'timeout, onFailure and a constant in key are about a rate limit service',
  ],
  [
    'a constant that nobody is told',
    keyed({ constant: { name: 'a', value: 'b' } }),
    'spec.rateLimit[0]',
    'timeout, onFailure and a constant in key are about a rate limit service',
  ],
  [
    'a time that no service counts by',
    limited(shared({ per: '90s' })),
    'spec.rateLimit[0].per',
    'must be 1s, 1m, 1h or 24h',
  ],
  [
    'a share of what only the service knows',
    limited(unknown({ onFailure: 'PodShare' })),
    'spec.rateLimit[0]',
    'without requests and per only the service knows the limit',
  ],
  [
    'a limit that the service cannot find',
    limited({ scope: 'Shared', service: { name: 'next', port: 8080 } }),
    'spec.rateLimit[0]',
    'without requests and per only the service knows the limit',
  ],
  [
    'a service that may take a minute',
    limited(shared({ timeout: '1m' })),
    'spec.rateLimit[0].timeout',
    'must be between 1ms and 10s',
  ],
  [
    'an ExternalService of another namespace',
    limited(sent({ to: { kind: 'ExternalService', name: 'stripe', namespace: 'policy' } })),
    'spec.rateLimit[0].to.namespace',
    'pods use the ExternalServices of their own namespace',
  ],
  [
    'a limit on what pods send that a service is to count',
    limited(shared({ to: { kind: 'Service', name: 'other' } })),
    'spec.rateLimit[0].scope',
    'Shared is for requests that pods take',
  ],
  [
    'a caller of what pods send themselves',
    limited(sent({ key: [{ header: 'a' }, { caller: 'Namespace' }] })),
    'spec.rateLimit[0].key',
    'what pods send is counted by header and request only',
  ],
  [
    'a claim of what pods send',
    limited(sent({ key: [{ claim: { issuer: 'a', path: ['sub'] } }] })),
    'spec.rateLimit[0].key',
    'what pods send is counted by header and request only',
  ],
  ['a key of nothing', keyed({}), 'spec.rateLimit[0].key[0]', 'give exactly one of caller'],
];

const rated = (fields: object): object => ({
  targetRefs: [{ kind: 'Service', name: 'reviews', port: 8080 }],
  rateLimit: [{ requests: 1, per: '1s', ...fields }],
});
const ratedOn = (match: object): object => rated({ match: [match] });
const ratedOnHeader = (condition: object): object => ratedOn({ headers: [{ name: 'a', ...condition }] });
const ratedTo = (to: object): object => rated({ to: { kind: 'Service', name: 'next', ...to } });
const ratedBy = (part: object): object => rated({ key: [part] });
const counted = (fields: object): object => rated(shared(fields));
const countedBy = (fields: object): object => counted({ service: { name: 'next', port: 8080, ...fields } });
const countedAs = (constant: object): object =>
  counted({ key: [{ constant: { name: 'a', value: 'b', ...constant } }] });

/** For each field of a limit two specs that differ in it, and that a pod of the Service is told of differently. */
export const RATE_LIMIT_FIELDS: Readonly<Record<string, [object, object]>> = {
  'spec.rateLimit[].name': [rated({ name: 'a' }), rated({ name: 'b' })],
  'spec.rateLimit[].requests': [rated({}), rated({ requests: 2 })],
  'spec.rateLimit[].per': [rated({}), rated({ per: '1m' })],
  'spec.rateLimit[].burst': [rated({}), rated({ burst: 9 })],
  'spec.rateLimit[].to.kind': [ratedTo({}), ratedTo({ kind: 'ExternalService' })],
  'spec.rateLimit[].to.name': [ratedTo({}), ratedTo({ name: 'other' })],
  'spec.rateLimit[].to.namespace': [ratedTo({}), ratedTo({ namespace: 'policy' })],
  'spec.rateLimit[].match[].method': [ratedOn({ method: 'PUT' }), ratedOn({ method: 'GET' })],
  'spec.rateLimit[].match[].path.exact': [
    ratedOn({ path: { exact: '/a' } }),
    ratedOn({ path: { exact: '/b' } }),
  ],
  'spec.rateLimit[].match[].path.prefix': [
    ratedOn({ path: { prefix: '/a' } }),
    ratedOn({ path: { prefix: '/b' } }),
  ],
  'spec.rateLimit[].match[].path.regex': [
    ratedOn({ path: { regex: '/a' } }),
    ratedOn({ path: { regex: '/b' } }),
  ],
  'spec.rateLimit[].match[].headers[].name': [
    ratedOnHeader({ exact: 'x' }),
    ratedOn({ headers: [{ name: 'b', exact: 'x' }] }),
  ],
  'spec.rateLimit[].match[].headers[].exact': [ratedOnHeader({ exact: 'x' }), ratedOnHeader({ exact: 'y' })],
  'spec.rateLimit[].match[].headers[].prefix': [
    ratedOnHeader({ prefix: 'x' }),
    ratedOnHeader({ prefix: 'y' }),
  ],
  'spec.rateLimit[].match[].headers[].regex': [ratedOnHeader({ regex: 'x' }), ratedOnHeader({ regex: 'y' })],
  'spec.rateLimit[].match[].headers[].present': [
    ratedOnHeader({ present: true }),
    ratedOnHeader({ present: false }),
  ],
  'spec.rateLimit[].match[].headers[].invert': [
    ratedOnHeader({ exact: 'x' }),
    ratedOnHeader({ exact: 'x', invert: true }),
  ],
  'spec.rateLimit[].cost.amount': [rated({ requests: 9, cost: { amount: 2 } }), rated({ requests: 9 })],
  'spec.rateLimit[].cost.responseHeader': [
    rated({ cost: { responseHeader: 'a' } }),
    rated({ cost: { responseHeader: 'b' } }),
  ],
  'spec.rateLimit[].cost.responseField': [
    rated({ cost: { responseField: ['a'] } }),
    rated({ cost: { responseField: ['b'] } }),
  ],
  'spec.rateLimit[].scope': [rated({}), rated({ scope: 'Pod' })],
  'spec.rateLimit[].service.name': [countedBy({}), countedBy({ name: 'routed' })],
  'spec.rateLimit[].service.namespace': [countedBy({}), countedBy({ namespace: 'elsewhere' })],
  'spec.rateLimit[].service.port': [countedBy({}), countedBy({ port: 8081 })],
  'spec.rateLimit[].service.domain': [countedBy({}), countedBy({ domain: 'shop' })],
  'spec.rateLimit[].timeout': [counted({}), counted({ timeout: '1s' })],
  'spec.rateLimit[].onFailure': [counted({}), counted({ onFailure: 'Deny' })],
  'spec.rateLimit[].key[].constant.name': [countedAs({}), countedAs({ name: 'c' })],
  'spec.rateLimit[].key[].constant.value': [countedAs({}), countedAs({ value: 'c' })],
  'spec.rateLimit[].mode': [rated({}), rated({ mode: 'DryRun' })],
  'spec.rateLimit[].key[].caller': [ratedBy({ caller: 'Address' }), ratedBy({ caller: 'Network' })],
  'spec.rateLimit[].key[].request': [ratedBy({ request: 'Method' }), ratedBy({ request: 'Path' })],
  'spec.rateLimit[].key[].claim.issuer': [
    ratedBy({ claim: { issuer: 'a', path: ['sub'] } }),
    ratedBy({ claim: { issuer: 'b', path: ['sub'] } }),
  ],
  'spec.rateLimit[].key[].claim.path': [
    ratedBy({ claim: { issuer: 'a', path: ['sub'] } }),
    ratedBy({ claim: { issuer: 'a', path: ['org'] } }),
  ],
  'spec.rateLimit[].key[].header': [ratedBy({ header: 'a' }), ratedBy({ header: 'b' })],
};

/** The mesh, in which tokens of `a` and `b` are believed. */
export function withIssuers(mesh: MeshTables): MeshTables {
  for (const issuer of ['a', 'b'])
    mesh.jwtIssuers.set({
      ref: {
        kind: 'JwtIssuer',
        namespace: 'shop',
        name: issuer,
        uid: issuer,
        generation: 1,
        creationTimestamp: '',
      },
      issuer,
      audiences: ['shop'],
      keys: { kind: 'inline', keys: [] },
      skewSeconds: 0,
      location: { kind: 'bearer' },
      forwarding: 'keep',
    });
  return mesh;
}
