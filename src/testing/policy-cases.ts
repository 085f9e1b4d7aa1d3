import { BAD_ACCESS_LOGS, GOOD_ACCESS_LOGS } from './access-log-cases.js';
import { BAD_EXTERNAL_CHECKS, GOOD_EXTERNAL_CHECKS } from './external-check-cases.js';
import { BAD_FAULTS, GOOD_FAULTS } from './fault-cases.js';
import { BAD_RATE_LIMITS, GOOD_RATE_LIMITS } from './rate-limit-cases.js';
import { BAD_ROUTES, GOOD_ROUTES } from './route-cases.js';

/** TrafficPolicies that are good or bad by themselves, for every judge: weft analyze, CEL in process, the API server. */

const target = { kind: 'Service', name: 'reviews' };
const TARGETING = { targetRefs: [target] };

/** A TrafficPolicy on Service `reviews` with more in its spec. */
export function policyWith(spec: object, name = 'reviews'): Record<string, unknown> {
  return {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name, namespace: 'default' },
    spec: { ...TARGETING, ...spec },
  };
}

const route = (fields: object): object => ({ routes: [fields] });
const matching = (match: object): object => route({ match: [match] });
const header = (fields: object): object => matching({ headers: [{ name: 'a', ...fields }] });
const FALLBACK = { fallback: true, fallbackLabels: { lane: 'main' } };
const cors = (fields: object): object => route({ cors: { allowOrigins: ['https://a'], ...fields } });
const balanced = (loadBalancer: object): object => ({ loadBalancer });
const mirrored = (fields: object): object => route({ mirror: [{ service: { name: 'a' }, ...fields }] });

/** The most of everything that the bounds allow, so that the API server's cost limits are met at their edge. */
function biggest(): object {
  const text = 'x'.repeat(256);
  const headers = Array.from({ length: 16 }, () => ({ name: 'x-header', regex: '[a-z]+-(b|c){1,9}' }));
  const query = headers.map((header) => ({ ...header }));
  const match = Array.from({ length: 16 }, () => ({ headers, query, path: { prefix: '/api' } }));
  const mirror = Array.from({ length: 16 }, (_, i) => ({ labels: { version: `v${i}` }, percent: 1 }));
  const split = Array.from({ length: 16 }, (_, i) => ({ labels: { version: `v${i}` }, weight: 1 }));
  return {
    targetRefs: Array.from({ length: 16 }, (_, i) => ({ ...target, name: `reviews-${i}` })),
    routes: [
      ...Array.from({ length: 63 }, () => ({ match, split, mirror })),
      { match: [{ path: { regex: text } }], split },
    ],
  };
}

export const GOOD_SPECS: readonly (readonly [what: string, spec: object])[] = [
  ['no routes', {}],
  ...GOOD_ACCESS_LOGS,
  ['one trace in a thousand', { tracing: { sampling: { fraction: { numerator: 1, denominator: 1000 } } } }],
  ['no routes in a list', { routes: [] }],
  ['a canary of 0.01 %', route({ split: [{ weight: 999_900 }, { weight: 100, labels: { v: '2' } }] })],
  ['one weight of zero', route({ split: [{ weight: 0 }, { labels: { v: '2' } }] })],
  ['a fallback', route({ split: [{ labels: { v: '2' }, fallback: true }] })],
  [
    'each kind of header condition',
    matching({
      headers: [
        { name: 'X-Group', exact: 'beta' },
        { name: 'x-group', prefix: 'b', invert: true },
        { name: 'x-group', regex: '(?i)b[a-z]+|\\d{2}' },
        { name: 'x-group', present: false },
      ],
    }),
  ],
  [
    'each kind of path condition',
    route({
      match: [{ path: { exact: '/' } }, { path: { prefix: '/api' } }, { path: { regex: '/v[12]/.*' } }],
    }),
  ],
  [
    'callers, a method and each kind of query condition',
    matching({
      method: 'POST',
      query: [
        { name: 'a', exact: '' },
        { name: 'b', prefix: 'x', invert: true },
        { name: 'c', regex: '[0-9]+' },
        { name: 'd', present: true },
      ],
      from: { namespaces: ['qa'], serviceAccounts: [{ name: 'web' }], labels: { version: 'v2' } },
    }),
  ],
  [
    'server names of TLS that is not opened',
    matching({ serverNames: ['a.example.org', '*.example.org'], port: 443 }),
  ],
  ['timeouts', route({ timeouts: { request: '1m', perTry: '60s' } })],
  ['no timeout for the request but for each try', route({ timeouts: { request: '0s', perTry: '1s' } })],
  [
    'changes of headers and of the path',
    route({
      match: [{ path: { prefix: '/old' } }],
      headers: { request: { set: [{ name: 'X-A', value: 'b' }] }, response: { remove: ['server'] } },
      rewrite: { hostname: 'reviews.internal', path: { replacePrefixMatch: '/new' } },
      split: [{ headers: { request: { add: [{ name: 'x-share', value: '' }] } } }],
    }),
  ],
  [
    'a redirect and an answer',
    {
      routes: [
        { match: [{ path: { exact: '/a' } }], redirect: { scheme: 'https', statusCode: 301 } },
        { directResponse: { status: 503, body: 'closed' } },
      ],
    },
  ],
  ...GOOD_FAULTS,
  ...GOOD_RATE_LIMITS,
  ...GOOD_EXTERNAL_CHECKS,
  ...GOOD_ROUTES,
  [
    'copies of what is slow',
    {
      routes: [
        { hedging: { delay: '50ms', methods: ['POST'] } },
        { hedging: { percentile: 95, attempts: 2 } },
      ],
    },
  ],
  [
    'limits of a destination and of a route',
    {
      circuitBreaker: { maxConnections: 1024, maxRequests: 2048, maxPending: 256 },
      routes: [{ limits: { adaptiveConcurrency: {} } }],
    },
  ],
  [
    'endpoints that fail get a rest',
    {
      circuitBreaker: {
        consecutiveFailures: 5,
        consecutiveLocalErrors: 3,
        successRate: {},
        ejection: { base: '30s', max: '5m', maxPercent: 50, panicPercent: 0 },
      },
    },
  ],
  [
    'copies, some of them compared',
    {
      routes: [
        {
          mirror: [
            { service: { name: 'next', namespace: 'other', port: 80 }, percent: 5 },
            { labels: { v: '2' }, fraction: { numerator: 1, denominator: 10_000 }, compare: {} },
          ],
        },
        { mirror: [{ labels: { v: '2' }, percent: 1, compare: { headers: ['etag'], body: false } }] },
      ],
    },
  ],
  [
    'pages of other origins',
    {
      routes: [
        {
          cors: {
            allowOrigins: ['https://shop.example', 'https://*.shop.example:8443', 'http://*'],
            allowMethods: ['PUT', 'DELETE'],
            allowHeaders: ['*'],
            exposeHeaders: ['x-total'],
            allowCredentials: true,
            maxAge: '10m',
          },
        },
        { cors: { allowOrigins: ['*'] } },
      ],
    },
  ],
  ['a port in a match', matching({ port: 8080 })],
  ['a fallback to some labels', route({ split: [{ labels: { lane: 'a' }, ...FALLBACK }] })],
  ['defaults of a Namespace', { targetRefs: [{ kind: 'Namespace', name: 'shop', port: 8080 }] }],
  [
    'an algorithm, a zone and a slow start',
    balanced({ algorithm: 'leastRequest', zone: 'prefer', slowStart: '1h' }),
  ],
  [
    'every input of a hash, and a bound',
    balanced({
      algorithm: 'ringHash',
      hash: [{ header: 'X-User' }, { cookie: 'sid' }, { query: 'id' }, { path: true }],
      maxLoadPercent: 125,
    }),
  ],
  ['a hash of the source', balanced({ algorithm: 'maglev', hash: [{ sourceAddress: true }] })],
  ['a Service by its group', { targetRefs: [{ ...target, group: '', port: 80, namespace: 'other' }] }],
  [
    'more for a rule of a route of Gateway API',
    {
      targetRefs: [
        { kind: 'HTTPRoute', name: 'reviews', sectionName: 'canary' },
        { group: 'gateway.networking.k8s.io', kind: 'GRPCRoute', name: 'reviews' },
      ],
      routes: [{ timeouts: { request: '2s' }, retries: { attempts: 1 } }],
    },
  ],
  ['the most of everything', biggest()],
];

export const BAD_SPECS: readonly (readonly [what: string, spec: object, field: string, message: string])[] = [
  [
    'a route of another group',
    { targetRefs: [{ group: '', kind: 'HTTPRoute', name: 'a' }] },
    'spec.targetRefs[0].group',
    'HTTPRoute and GRPCRoute are of group gateway.networking.k8s.io',
  ],
  [
    'a Service of the group of routes',
    { targetRefs: [{ ...target, group: 'gateway.networking.k8s.io' }] },
    'spec.targetRefs[0].group',
    'HTTPRoute and GRPCRoute are of group',
  ],
  [
    'a section of a Service',
    { targetRefs: [{ ...target, sectionName: 'http' }] },
    'spec.targetRefs[0].sectionName',
    'names a rule of an HTTPRoute',
  ],
  [
    'a port of a route',
    { targetRefs: [{ kind: 'GRPCRoute', name: 'a', port: 80 }] },
    'spec.targetRefs[0].port',
    'a route has no port',
  ],
  [
    'a route and a Service',
    { targetRefs: [target, { kind: 'HTTPRoute', name: 'a' }] },
    'spec.targetRefs',
    'a policy is about routes of Gateway API or about Services',
  ],
  [
    'a match for a route that has its own',
    {
      targetRefs: [{ kind: 'HTTPRoute', name: 'a' }],
      routes: [{ match: [{ method: 'GET' }], timeouts: { request: '1s' } }],
    },
    'spec.routes',
    'a policy on a route of Gateway API has one entry',
  ],
  [
    'a load balancer for a route',
    { targetRefs: [{ kind: 'HTTPRoute', name: 'a' }], loadBalancer: { algorithm: 'peakEwma' } },
    'spec.targetRefs',
    'loadBalancer, circuitBreaker, rateLimit, externalAuthorization, tracing and accessLog',
  ],
  ...BAD_ACCESS_LOGS,
  [
    'a ring without a hash',
    balanced({ algorithm: 'ringHash' }),
    'spec.loadBalancer.hash',
    'hash goes with the algorithms ringHash and maglev',
  ],
  [
    'a hash that nothing looks at',
    balanced({ hash: [{ path: true }] }),
    'spec.loadBalancer.hash',
    'hash goes with the algorithms ringHash and maglev',
  ],
  [
    'two inputs in one',
    balanced({ algorithm: 'maglev', hash: [{ path: true, header: 'a' }] }),
    'spec.loadBalancer.hash[0]',
    'give exactly one of header, cookie, query, path and sourceAddress',
  ],
  [
    'an input that is switched off',
    balanced({ algorithm: 'maglev', hash: [{ path: false }] }),
    'spec.loadBalancer.hash[0].path',
    'must be true or absent',
  ],
  [
    'a bound of nothing',
    balanced({ maxLoadPercent: 125 }),
    'spec.loadBalancer.maxLoadPercent',
    'maxLoadPercent bounds what a hash does',
  ],
  [
    'a slow start of a day',
    balanced({ slowStart: '24h' }),
    'spec.loadBalancer.slowStart',
    'is longer than an hour',
  ],
  [
    'weights that are all zero',
    route({ split: [{ weight: 0 }, { weight: 0 }] }),
    'spec.routes[0].split',
    'every weight is 0',
  ],
  [
    'fallback without labels',
    route({ split: [{ fallback: true }] }),
    'spec.routes[0].split[0].fallback',
    'fallback needs labels',
  ],
  ['an empty match', matching({}), 'spec.routes[0].match[0]', 'is empty'],
  [
    'two conditions on a path',
    matching({ path: { exact: '/', regex: '/' } }),
    'spec.routes[0].match[0].path',
    'give exactly one',
  ],
  [
    'a redirect with a status of another kind',
    route({ redirect: { scheme: 'https', statusCode: 305 } }),
    'spec.routes[0].redirect.statusCode',
    'is not a valid status for a redirect',
  ],
  [
    'a redirect to itself',
    route({ redirect: {} }),
    'spec.routes[0].redirect',
    'redirects to the request itself',
  ],
  ['an empty rewrite', route({ rewrite: {} }), 'spec.routes[0].rewrite', 'is empty'],
  [
    'two new paths',
    route({ rewrite: { path: { replaceFullPath: '/a', replacePrefixMatch: '/b' } } }),
    'spec.routes[0].rewrite.path',
    'give exactly one',
  ],
  [
    'a new prefix for no prefix',
    route({ match: [{ path: { exact: '/a' } }], rewrite: { path: { replacePrefixMatch: '/b' } } }),
    'spec.routes[0].rewrite',
    'replacePrefixMatch needs a path.prefix',
  ],
  [
    'a redirect of no prefix',
    route({ redirect: { path: { replacePrefixMatch: '/b' } } }),
    'spec.routes[0].redirect',
    'replacePrefixMatch needs a path.prefix',
  ],
  [
    'two answers',
    route({ redirect: { port: 1 }, directResponse: { status: 200 } }),
    'spec.routes[0]',
    'give redirect or directResponse',
  ],
  [
    'an answer and a split',
    route({ directResponse: { status: 200 }, split: [{}] }),
    'spec.routes[0]',
    'a route that answers by itself',
  ],
  [
    'a body where there can be none',
    route({ directResponse: { status: 204, body: 'a' } }),
    'spec.routes[0].directResponse.body',
    'an answer with status 204, 205 or 304 has no body',
  ],
  ['a caller without conditions', matching({ from: {} }), 'spec.routes[0].match[0].from', 'is empty'],
  [
    'a server name beside a condition that TLS hides',
    matching({ serverNames: ['a.example.org'], path: { prefix: '/' } }),
    'spec.routes[0].match[0]',
    'serverNames is for TLS',
  ],
  [
    'a query parameter without condition',
    matching({ query: [{ name: 'a' }] }),
    'spec.routes[0].match[0].query[0]',
    'give exactly one',
  ],
  ['a header without condition', header({}), 'spec.routes[0].match[0].headers[0]', 'give exactly one'],
  [
    'a header with two conditions',
    header({ exact: 'b', present: true }),
    'spec.routes[0].match[0].headers[0]',
    'give exactly one',
  ],
  [
    'look-ahead',
    matching({ path: { regex: '/a(?=b)' } }),
    'spec.routes[0].match[0].path.regex',
    'is not a valid regular expression in RE2',
  ],
  [
    'a back-reference',
    matching({ path: { regex: '/(a)\\1' } }),
    'spec.routes[0].match[0].path.regex',
    'is not a valid regular expression in RE2',
  ],
  [
    'an open bracket',
    header({ regex: '[' }),
    'spec.routes[0].match[0].headers[0].regex',
    'is not a valid regular expression in RE2',
  ],
  [
    'a duration with words',
    route({ timeouts: { request: '2 seconds' } }),
    'spec.routes[0].timeouts.request',
    'is not a valid duration',
  ],
  [
    'a duration with a fraction',
    route({ timeouts: { perTry: '1.5s' } }),
    'spec.routes[0].timeouts.perTry',
    'is not a valid duration',
  ],
  [
    'a try that takes longer than its request',
    route({ timeouts: { request: '1s', perTry: '1001ms' } }),
    'spec.routes[0].timeouts.perTry',
    'a try cannot take longer',
  ],
  ...BAD_FAULTS,
  ...BAD_RATE_LIMITS,
  ...BAD_EXTERNAL_CHECKS,
  ...BAD_ROUTES,
  [
    'a copy for two reasons',
    route({ hedging: { delay: '50ms', percentile: 95 } }),
    'spec.routes[0].hedging',
    'give exactly one of delay and percentile',
  ],
  [
    'a copy of everything',
    route({ hedging: { delay: '0s' } }),
    'spec.routes[0].hedging.delay',
    'would send every request twice',
  ],
  [
    'waiting for no limit',
    { circuitBreaker: { maxPending: 1 } },
    'spec.circuitBreaker.maxPending',
    'has no limit to wait for',
  ],
  ['limits of nothing', route({ limits: {} }), 'spec.routes[0].limits', 'is empty'],
  [
    'an adaptive limit above its bound',
    route({ limits: { adaptiveConcurrency: { max: 2 } } }),
    'spec.routes[0].limits.adaptiveConcurrency',
    'min (3 when absent) is greater than max',
  ],
  [
    'an ejection for no reason',
    { circuitBreaker: { ejection: { base: '30s' } } },
    'spec.circuitBreaker.ejection',
    'says how to eject but not when',
  ],
  [
    'a first ejection longer than the longest',
    { circuitBreaker: { consecutiveFailures: 5, ejection: { base: '301s', max: '5m' } } },
    'spec.circuitBreaker.ejection.max',
    'the first ejection is longer than the longest',
  ],
  [
    'a fraction above one',
    mirrored({ fraction: { numerator: 3, denominator: 2 } }),
    'spec.routes[0].mirror[0].fraction.numerator',
    'the numerator is greater',
  ],
  [
    'percent and fraction',
    mirrored({ percent: 1, fraction: { numerator: 3 } }),
    'spec.routes[0].mirror[0]',
    'give exactly one of percent and fraction',
  ],
  ['a copy of how many', mirrored({}), 'spec.routes[0].mirror[0]', 'give exactly one of percent'],
  [
    'a copy to where the request goes',
    route({ mirror: [{ percent: 1 }] }),
    'spec.routes[0].mirror[0]',
    'would send each copy where its request goes',
  ],
  [
    'every origin and one more',
    cors({ allowOrigins: ['*', 'https://a'] }),
    'spec.routes[0].cors.allowOrigins',
    "'*' means every one already",
  ],
  [
    'every method and one more',
    cors({ allowMethods: ['*', 'PUT'] }),
    'spec.routes[0].cors.allowMethods',
    "'*' means every one already",
  ],
  [
    'every header and one more',
    cors({ allowHeaders: ['x-a', '*'] }),
    'spec.routes[0].cors.allowHeaders',
    "'*' means every one already",
  ],
  ['half a second', cors({ maxAge: '500ms' }), 'spec.routes[0].cors.maxAge', 'browsers count whole seconds'],
  [
    'labels of a fallback that is none',
    route({ split: [{ labels: { a: 'b' }, fallbackLabels: { a: 'c' } }] }),
    'spec.routes[0].split[0].fallbackLabels',
    'says where to fall back to',
  ],
  [
    'a Namespace in a namespace',
    { targetRefs: [{ kind: 'Namespace', name: 'shop', namespace: 'shop' }] },
    'spec.targetRefs[0].namespace',
    'a Namespace is not in a namespace',
  ],
];
