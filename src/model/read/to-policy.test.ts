import { describe, expect, test } from '@jest/globals';
import { UNSUPPORTED, trafficPolicy } from '../../api/index.js';
import { fieldsOf, toStructural } from '../../api/schema/structural.js';
import { faultCases } from '../../testing/fault-cases.js';
import { retryCases } from '../../testing/retry-cases.js';
import { sessionCases, timeoutCases } from '../../testing/route-cases.js';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPort, aService, aShop, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import { POD_FIELDS, withIssuers } from '../../testing/pod-field-cases.js';
import { specWithField } from '../../testing/spec-with-field.js';
import { encodeDestination, encodeWorkload } from '../../xds/resources/index.js';
import { compileDestination } from '../compile/compile-destination.js';
import { compileWorkload } from '../compile/compile-workload.js';
import { toPolicy } from './to-policy.js';

const object = (spec: object): object => ({
  apiVersion: 'weft.dev/v1alpha1',
  kind: 'TrafficPolicy',
  metadata: {
    name: 'canary',
    namespace: 'shop',
    uid: 'u-1',
    generation: 3,
    creationTimestamp: '2026-01-01T00:00:00Z',
    resourceVersion: '17',
  },
  spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }], ...spec },
});

test('a policy is read with its defaults filled in', () => {
  const { policy, problems } = toPolicy(
    object({
      routes: [
        {
          match: [{ headers: [{ name: 'X-Group', exact: 'beta' }], path: { prefix: '/api' } }],
          split: [
            { labels: { version: 'v2' }, fallback: true },
            { service: { name: 'next' }, weight: 5 },
          ],
        },
        {},
      ],
    }),
  );
  expect(problems).toEqual([]);
  expect(policy).toEqual({
    ref: {
      kind: 'TrafficPolicy',
      namespace: 'shop',
      name: 'canary',
      uid: 'u-1',
      generation: 3,
      creationTimestamp: '2026-01-01T00:00:00Z',
    },
    targets: [{ service: 'shop/reviews', field: 'spec.targetRefs[0]' }],
    routes: [
      {
        name: 'route-0',
        matches: [
          {
            headers: [{ name: 'x-group', condition: { kind: 'exact', value: 'beta' }, invert: false }],
            path: { kind: 'prefix', value: '/api' },
          },
        ],
        split: [
          { labels: { version: 'v2' }, weight: 1, fallback: true, field: 'spec.routes[0].split[0]' },
          {
            service: {
              namespace: 'shop',
              name: 'next',
              from: { group: 'weft.dev', kind: 'TrafficPolicy', namespace: 'shop' },
            },
            weight: 5,
            fallback: false,
            field: 'spec.routes[0].split[1]',
          },
        ],
      },
      { name: 'route-1', matches: [], split: [] },
    ],
    loadBalancer: { algorithm: 'peakEwma' },
  });
});

test("a caller is somebody of the policy's own namespace unless another is given", () => {
  const from = { serviceAccounts: [{ name: 'web' }, { name: 'web', namespace: 'qa' }] };
  const { policy } = toPolicy(
    object({ routes: [{ match: [{ from, query: [{ name: 'Lane', exact: 'x' }] }] }] }),
  );
  expect(policy?.routes[0]?.matches).toEqual([
    {
      headers: [],
      query: [{ name: 'Lane', condition: { kind: 'exact', value: 'x' }, invert: false }],
      from: {
        namespaces: [],
        serviceAccounts: [
          { namespace: 'shop', name: 'web' },
          { namespace: 'qa', name: 'web' },
        ],
        labels: {},
      },
    },
  ]);
});

test('what a route does beside sending on is read with its defaults', () => {
  const { policy } = toPolicy(
    object({
      routes: [
        { redirect: { scheme: 'https' } },
        { directResponse: { status: 200, body: 'a' } },
        { headers: { request: { set: [{ name: 'X-A', value: 'b' }], remove: ['X-C'] } } },
      ],
    }),
  );
  expect(policy?.routes.map(({ actions }) => actions)).toEqual([
    { answer: { kind: 'redirect', scheme: 'https', status: 302 } },
    { answer: { kind: 'direct', status: 200, body: 'a', contentType: 'text/plain; charset=utf-8' } },
    { headers: { request: { remove: ['x-c'], set: [{ name: 'x-a', value: 'b' }], add: [] } } },
  ]);
});

test('when endpoints are ejected is read with its defaults, and only where something says when', () => {
  const outliers = (circuitBreaker: object) => toPolicy(object({ circuitBreaker })).policy?.outliers;
  expect(outliers({})).toBeUndefined();
  expect(outliers({ successRate: { below: 90 }, ejection: { base: '10m' } })).toEqual({
    successRate: { below: 90, windowMs: 10_000, minRequests: 20 },
    ejection: { baseMs: 600_000, maxMs: 600_000, maxPercent: 50, panicPercent: 50 },
  });
  expect(outliers({ consecutiveFailures: 5, consecutiveGatewayErrors: 3 })).toEqual({
    consecutiveFailures: 5,
    consecutiveGatewayErrors: 3,
    ejection: { baseMs: 30_000, maxMs: 300_000, maxPercent: 50, panicPercent: 50 },
  });
});

test('a time that the client library has read as a Date is taken too', () => {
  const date = { ...object({}), metadata: { name: 'a', namespace: 'b', creationTimestamp: new Date(0) } };
  expect(toPolicy(date).policy?.ref.creationTimestamp).toBe('1970-01-01T00:00:00.000Z');
});

test.each([
  ['an unknown field', { rutes: [] }, 'spec.rutes'],
  [
    'a regular expression that is none',
    { routes: [{ match: [{ path: { regex: '(' } }] }] },
    'spec.routes[0].match[0].path.regex',
  ],
  ['weights that are all zero', { routes: [{ split: [{ weight: 0 }] }] }, 'spec.routes[0].split'],
  [
    'a change of what frames a message',
    { routes: [{ headers: { request: { remove: ['Content-Length'] } } }] },
    'spec.routes[0].headers.request.remove[0]',
  ],
  [
    'a change of the host as a header',
    { routes: [{ split: [{ headers: { request: { set: [{ name: 'host', value: 'a' }] } } }] }] },
    'spec.routes[0].split[0].headers.request.set[0].name',
  ],
  [
    'a route of another namespace',
    { targetRefs: [{ kind: 'HTTPRoute', name: 'a', namespace: 'other' }] },
    'spec.targetRefs[0].namespace',
  ],
])('%s is a problem that names the field, and no policy', (_what, spec, field) => {
  const { policy, problems } = toPolicy(object(spec));
  expect(policy).toBeUndefined();
  expect(problems).toMatchObject([{ condition: 'Accepted', reason: 'Invalid', field }]);
});

test.each([undefined, null, 'text', {}, { spec: {} }])('what is no policy is a problem: %j', (broken) => {
  const { policy, problems } = toPolicy(broken);
  expect([policy, problems.length > 0]).toEqual([undefined, true]);
});

/** Destinations as proxies get them, under a policy. */
function bytesUnder(spec: object): string {
  const mesh = withIssuers(aShop());
  const next = [aPort({ port: 8080 }), aPort({ name: 'alt', port: 8081 })];
  mesh.services.set(aService({ name: 'next', clusterIPs: ['10.96.0.6'], ports: next }));
  mesh.workloads.set(aWorkload('n', '10.244.0.9'));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('10.244.0.9', 'n')], { name: 'next-1', service: 'shop/next' }),
  );
  mesh.services.set(aService({ name: 'routed', clusterIPs: ['10.96.0.7'] }));
  const parents = [{ group: '', kind: 'Service', name: 'routed' }];
  const rules = ['one', 'two'].map((name) => ({ name, backendRefs: [{ name: 'next', port: 8080 }] }));
  mesh.routes.set(aRoute('routed', rules, { parents }));
  const { policy, problems } = toPolicy(object(spec));
  if (policy === undefined) throw new Error(JSON.stringify(problems));
  mesh.policies.set(policy);
  const refs = ['reviews', 'next', 'routed'].map(
    (name) => ({ kind: 'service', service: `shop/${name}`, port: 8080 }) as const,
  );
  return refs
    .map((ref) => encodeDestination(compileDestination(mesh, ref, 'web')!.destination).version)
    .concat(encodeWorkload(compileWorkload(mesh, 'a')!.workload).version)
    .join(' ');
}

const targeting = (fields: object) => ({
  targetRefs: [{ kind: 'Service', name: 'reviews', ...fields }],
  routes: [{ name: 'marked' }],
});
const onRoute = (fields: object) => ({
  targetRefs: [{ kind: 'HTTPRoute', name: 'routed', ...fields }],
  routes: [{ timeouts: { request: '1s' } }],
});
const onService = { ...onRoute({}), targetRefs: [{ kind: 'Service', name: 'routed' }] };
const routed = (fields: object) => ({ routes: [fields] });
const header = (fields: object) => routed({ match: [{ headers: [{ name: 'a', ...fields }] }] });
const matching = (fields: object) => routed({ match: [fields] });
const query = (fields: object) => matching({ query: [{ name: 'a', ...fields }] });
const account = (fields: object) => matching({ from: { serviceAccounts: [{ name: 'a', ...fields }] } });
const path = (fields: object) => routed({ match: [{ path: fields }] });
const hedged = (fields: object) => routed({ hedging: { delay: '1s', ...fields } });
const limited = (fields: object) => routed({ limits: { maxConnections: 1, ...fields } });
const adaptive = (fields: object) => ({ adaptiveConcurrency: fields });
const breaking = (fields: object) => ({ circuitBreaker: fields });
const ejecting = (fields: object) => breaking({ consecutiveFailures: 5, ...fields });
const split = (fields: object) => routed({ split: [fields, {}] });
const mirror = (fields: object) => routed({ mirror: [{ service: { name: 'next' }, percent: 1, ...fields }] });
const portion = (fraction: object) => routed({ mirror: [{ labels: { version: 'v2' }, fraction }] });

function corsCases(): Record<string, [object, object]> {
  const cors = (fields: object) => routed({ cors: { allowOrigins: ['https://a'], ...fields } });
  const fields = {
    allowOrigins: ['https://b'],
    allowMethods: ['PUT'],
    allowHeaders: ['x-a'],
    exposeHeaders: ['x-a'],
    allowCredentials: true,
    maxAge: '1m',
  };
  return Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [
      `spec.routes[].cors.${field}`,
      [cors({}), cors({ [field]: value })],
    ]),
  );
}

/** Each field of a change of headers, on requests and responses. */
function headerCases(at: string, spec: (headers: object) => object): Record<string, [object, object]> {
  const values = (field: string, one: object, other: object, side: string) =>
    [spec({ [side]: { [field]: [one] } }), spec({ [side]: { [field]: [other] } })] as [object, object];
  const [a, b, c] = [
    { name: 'a', value: 'a' },
    { name: 'b', value: 'a' },
    { name: 'a', value: 'c' },
  ];
  const cases = ['request', 'response'].flatMap((side) => [
    ...['set', 'add'].flatMap((field) => [
      [`${at}.${side}.${field}[].name`, values(field, a, b, side)] as const,
      [`${at}.${side}.${field}[].value`, values(field, a, c, side)] as const,
    ]),
    [
      `${at}.${side}.remove`,
      [spec({ [side]: { remove: ['a'] } }), spec({ [side]: { remove: ['b'] } })],
    ] as const,
  ]);
  return Object.fromEntries(cases.map(([field, pair]) => [field, [...pair]]));
}

function pathCases(field: string): Record<string, [object, object]> {
  const under = (path: object) => routed({ match: [{ path: { prefix: '/a' } }], [field]: { path } });
  return {
    [`spec.routes[].${field}.path.replaceFullPath`]: [
      under({ replaceFullPath: '/a' }),
      under({ replaceFullPath: '/b' }),
    ],
    [`spec.routes[].${field}.path.replacePrefixMatch`]: [
      under({ replaceFullPath: '/a' }),
      under({ replacePrefixMatch: '/a' }),
    ],
  };
}

/** Load balancers that differ in an input of the hash. */
const hashed = (input: object) => ({ loadBalancer: { algorithm: 'ringHash', hash: [input] } });

/** For each field that works, two policies that differ in it only, and have to differ in effect. */
const WORKING: Record<string, [object, object]> = {
  ...POD_FIELDS,
  // The group follows from the kind.
  'spec.targetRefs[].group': [onService, onRoute({ group: 'gateway.networking.k8s.io' })],
  'spec.targetRefs[].kind': [onService, onRoute({})],
  'spec.targetRefs[].sectionName': [onRoute({ sectionName: 'one' }), onRoute({ sectionName: 'two' })],
  'spec.loadBalancer.algorithm': [{}, { loadBalancer: { algorithm: 'random' } }],
  'spec.loadBalancer.hash[].header': [hashed({ header: 'a' }), hashed({ header: 'b' })],
  'spec.loadBalancer.hash[].cookie': [hashed({ cookie: 'a' }), hashed({ cookie: 'b' })],
  'spec.loadBalancer.hash[].query': [hashed({ query: 'a' }), hashed({ query: 'b' })],
  'spec.loadBalancer.hash[].path': [hashed({ header: 'a' }), hashed({ path: true })],
  'spec.loadBalancer.hash[].sourceAddress': [hashed({ path: true }), hashed({ sourceAddress: true })],
  'spec.loadBalancer.maxLoadPercent': [
    hashed({ path: true }),
    { loadBalancer: { algorithm: 'ringHash', hash: [{ path: true }], maxLoadPercent: 125 } },
  ],
  'spec.loadBalancer.zone': [{}, { loadBalancer: { zone: 'prefer' } }],
  'spec.loadBalancer.slowStart': [{}, { loadBalancer: { slowStart: '30s' } }],
  'spec.targetRefs[].name': [targeting({}), targeting({ name: 'next' })],
  'spec.targetRefs[].namespace': [targeting({}), targeting({ namespace: 'elsewhere' })],
  'spec.targetRefs[].port': [targeting({}), targeting({ port: 8081 })],
  'spec.routes[].name': [routed({ name: 'a' }), routed({ name: 'b' })],
  'spec.routes[].match[].headers[].name': [header({ exact: 'a' }), header({ exact: 'a', name: 'b' })],
  'spec.routes[].match[].headers[].exact': [header({ exact: 'a' }), header({ exact: 'b' })],
  'spec.routes[].match[].headers[].prefix': [header({ exact: 'a' }), header({ prefix: 'a' })],
  'spec.routes[].match[].headers[].regex': [header({ exact: 'a' }), header({ regex: 'a' })],
  'spec.routes[].match[].headers[].present': [header({ present: true }), header({ present: false })],
  'spec.routes[].match[].headers[].invert': [header({ exact: 'a' }), header({ exact: 'a', invert: true })],
  'spec.routes[].match[].path.exact': [path({ exact: '/a' }), path({ exact: '/b' })],
  'spec.routes[].match[].path.prefix': [path({ exact: '/a' }), path({ prefix: '/a' })],
  'spec.routes[].match[].path.regex': [path({ exact: '/a' }), path({ regex: '/a' })],
  'spec.routes[].match[].query[].name': [query({ exact: 'a' }), query({ exact: 'a', name: 'b' })],
  'spec.routes[].match[].query[].exact': [query({ exact: 'a' }), query({ exact: 'b' })],
  'spec.routes[].match[].query[].prefix': [query({ exact: 'a' }), query({ prefix: 'a' })],
  'spec.routes[].match[].query[].regex': [query({ exact: 'a' }), query({ regex: 'a' })],
  'spec.routes[].match[].query[].present': [query({ present: true }), query({ present: false })],
  'spec.routes[].match[].serverNames': [matching({ serverNames: ['a'] }), matching({ serverNames: ['b'] })],
  'spec.routes[].match[].query[].invert': [query({ exact: 'a' }), query({ exact: 'a', invert: true })],
  'spec.routes[].match[].port': [matching({ port: 8080 }), matching({ port: 8081 })],
  'spec.routes[].match[].method': [matching({ method: 'GET' }), matching({ method: 'PUT' })],
  'spec.routes[].match[].from.namespaces': [
    matching({ from: { namespaces: ['a'] } }),
    matching({ from: { namespaces: ['b'] } }),
  ],
  'spec.routes[].match[].from.serviceAccounts[].name': [account({}), account({ name: 'b' })],
  'spec.routes[].match[].from.serviceAccounts[].namespace': [account({}), account({ namespace: 'b' })],
  'spec.routes[].match[].from.labels': [
    matching({ from: { labels: { a: 'b' } } }),
    matching({ from: { labels: { a: 'c' } } }),
  ],
  'spec.routes[].hedging.delay': [hedged({}), hedged({ delay: '2s' })],
  'spec.routes[].hedging.percentile': [
    routed({ hedging: { percentile: 95 } }),
    routed({ hedging: { percentile: 99 } }),
  ],
  'spec.routes[].hedging.attempts': [hedged({}), hedged({ attempts: 2 })],
  'spec.routes[].hedging.methods': [hedged({}), hedged({ methods: ['POST'] })],
  'spec.routes[].limits.maxConnections': [limited({}), limited({ maxConnections: 2 })],
  'spec.routes[].limits.maxRequests': [limited({}), limited({ maxRequests: 1 })],
  'spec.routes[].limits.maxPending': [limited({}), limited({ maxPending: 1 })],
  'spec.routes[].limits.adaptiveConcurrency.min': [limited(adaptive({})), limited(adaptive({ min: 1 }))],
  'spec.routes[].limits.adaptiveConcurrency.max': [limited(adaptive({})), limited(adaptive({ max: 9 }))],
  'spec.circuitBreaker.maxConnections': [breaking({}), breaking({ maxConnections: 1 })],
  'spec.circuitBreaker.maxRequests': [breaking({}), breaking({ maxRequests: 1 })],
  'spec.circuitBreaker.maxPending': [
    breaking({ maxRequests: 1 }),
    breaking({ maxRequests: 1, maxPending: 1 }),
  ],
  'spec.circuitBreaker.adaptiveConcurrency.min': [breaking(adaptive({})), breaking(adaptive({ min: 1 }))],
  'spec.circuitBreaker.adaptiveConcurrency.max': [breaking(adaptive({})), breaking(adaptive({ max: 9 }))],
  'spec.circuitBreaker.consecutiveFailures': [breaking({}), breaking({ consecutiveFailures: 5 })],
  'spec.circuitBreaker.consecutiveGatewayErrors': [ejecting({}), ejecting({ consecutiveGatewayErrors: 3 })],
  'spec.circuitBreaker.consecutiveLocalErrors': [ejecting({}), ejecting({ consecutiveLocalErrors: 3 })],
  'spec.circuitBreaker.successRate.below': [
    ejecting({ successRate: {} }),
    ejecting({ successRate: { below: 50 } }),
  ],
  'spec.circuitBreaker.successRate.window': [
    ejecting({ successRate: {} }),
    ejecting({ successRate: { window: '1m' } }),
  ],
  'spec.circuitBreaker.successRate.minRequests': [
    ejecting({ successRate: {} }),
    ejecting({ successRate: { minRequests: 1 } }),
  ],
  'spec.circuitBreaker.ejection.base': [ejecting({}), ejecting({ ejection: { base: '1s' } })],
  'spec.circuitBreaker.ejection.max': [ejecting({}), ejecting({ ejection: { max: '1m' } })],
  'spec.circuitBreaker.ejection.maxPercent': [ejecting({}), ejecting({ ejection: { maxPercent: 10 } })],
  'spec.circuitBreaker.ejection.panicPercent': [ejecting({}), ejecting({ ejection: { panicPercent: 0 } })],
  ...retryCases(routed),
  ...timeoutCases(routed),
  ...headerCases('spec.routes[].headers', (headers) => routed({ headers })),
  ...headerCases('spec.routes[].split[].headers', (headers) => split({ headers })),
  'spec.routes[].rewrite.hostname': [
    routed({ rewrite: { hostname: 'a' } }),
    routed({ rewrite: { hostname: 'b' } }),
  ],
  ...pathCases('rewrite'),
  'spec.routes[].redirect.scheme': [
    routed({ redirect: { scheme: 'http' } }),
    routed({ redirect: { scheme: 'https' } }),
  ],
  'spec.routes[].redirect.hostname': [
    routed({ redirect: { hostname: 'a' } }),
    routed({ redirect: { hostname: 'b' } }),
  ],
  'spec.routes[].redirect.port': [routed({ redirect: { port: 1 } }), routed({ redirect: { port: 2 } })],
  ...pathCases('redirect'),
  'spec.routes[].redirect.statusCode': [
    routed({ redirect: { port: 1 } }),
    routed({ redirect: { port: 1, statusCode: 308 } }),
  ],
  ...corsCases(),
  ...faultCases(routed),
  ...sessionCases(routed),
  'spec.routes[].mirror[].service.name': [mirror({}), mirror({ service: { name: 'reviews' } })],
  'spec.routes[].mirror[].service.namespace': [
    mirror({}),
    mirror({ service: { name: 'next', namespace: 'elsewhere' } }),
  ],
  'spec.routes[].mirror[].service.port': [mirror({}), mirror({ service: { name: 'next', port: 8081 } })],
  'spec.routes[].mirror[].labels': [mirror({}), mirror({ labels: { version: 'v9' } })],
  'spec.routes[].mirror[].percent': [mirror({}), mirror({ percent: 2 })],
  'spec.routes[].mirror[].fraction.numerator': [portion({ numerator: 1 }), portion({ numerator: 2 })],
  'spec.routes[].mirror[].fraction.denominator': [
    portion({ numerator: 1 }),
    portion({ numerator: 1, denominator: 1000 }),
  ],
  'spec.routes[].mirror[].compare.headers': [
    mirror({ compare: {} }),
    mirror({ compare: { headers: ['etag'] } }),
  ],
  'spec.routes[].mirror[].compare.body': [mirror({ compare: {} }), mirror({ compare: { body: false } })],
  'spec.routes[].directResponse.status': [
    routed({ directResponse: { status: 200 } }),
    routed({ directResponse: { status: 503 } }),
  ],
  'spec.routes[].directResponse.body': [
    routed({ directResponse: { status: 200 } }),
    routed({ directResponse: { status: 200, body: 'a' } }),
  ],
  'spec.routes[].directResponse.contentType': [
    routed({ directResponse: { status: 200, body: 'a' } }),
    routed({ directResponse: { status: 200, body: 'a', contentType: 'b/c' } }),
  ],
  'spec.routes[].split[].service.name': [
    split({ service: { name: 'reviews' } }),
    split({ service: { name: 'next' } }),
  ],
  'spec.routes[].split[].service.namespace': [
    split({ service: { name: 'next' } }),
    split({ service: { name: 'next', namespace: 'elsewhere' } }),
  ],
  'spec.routes[].split[].service.port': [
    split({ service: { name: 'next' } }),
    split({ service: { name: 'next', port: 8081 } }),
  ],
  'spec.routes[].split[].labels': [
    split({ labels: { version: 'v1' } }),
    split({ labels: { version: 'v2' } }),
  ],
  'spec.routes[].split[].weight': [split({}), split({ weight: 2 })],
  'spec.routes[].split[].fallback': [
    split({ labels: { version: 'v9' } }),
    split({ labels: { version: 'v9' }, fallback: true }),
  ],
  'spec.routes[].split[].fallbackLabels': [
    split({ labels: { version: 'v9' }, fallback: true, fallbackLabels: { version: 'v1' } }),
    split({ labels: { version: 'v9' }, fallback: true, fallbackLabels: { version: 'v2' } }),
  ],
};

describe('every field of the schema works or is refused', () => {
  const listed = (field: string) =>
    UNSUPPORTED.some(
      ({ path: row }) => field === row || field.startsWith(`${row}.`) || field.startsWith(`${row}[]`),
    );
  const leaves = fieldsOf(toStructural(trafficPolicy.spec), 'spec').filter(
    ([, schema]) => schema.properties === undefined && schema.items?.properties === undefined,
  );

  /** Values of an enumeration that the table does not list. */
  const working = (field: string, values: unknown): unknown[] =>
    Array.isArray(values)
      ? values.filter(
          (value: unknown) => !UNSUPPORTED.some(({ path: row }) => row === `${field}=${String(value)}`),
        )
      : [];

  test.each(leaves.map(([field, { keywords }]) => ({ field, values: keywords['enum'] })))(
    '$field',
    ({ field, values }) => {
      if (listed(field)) {
        expect(WORKING).not.toHaveProperty([field]);
        return;
      }
      if (working(field, values).length === 1) return;
      expect(WORKING).toHaveProperty([field]);
      const [one, other] = WORKING[field]!;
      expect(bytesUnder(one)).not.toBe(bytesUnder(other));
    },
  );

  test('what is said to work is in the schema', () => {
    const known = leaves.map(([field]) => field);
    expect(Object.keys(WORKING).filter((field) => !known.includes(field))).toEqual([]);
  });
});

describe('a field that is not supported yet is refused, should it come past the API server', () => {
  test.each(UNSUPPORTED.map(({ path: row }) => row))('%s', (row) => {
    const { policy, problems } = toPolicy(object(specWithField(row)));
    expect(policy).toBeUndefined();
    expect(problems.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('is not supported yet'),
    );
  });
});
