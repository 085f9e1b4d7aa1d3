import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../../testing/gateway-routes.js';
import { toMeshRoute } from './to-mesh-route.js';

const BACKEND = { name: 'reviews', port: 8080 };

function rule(fields: object, kind: 'HTTPRoute' | 'GRPCRoute' = 'HTTPRoute') {
  return aRoute('r', [{ backendRefs: [BACKEND], ...fields }], { kind }).rules[0]!;
}

function match(fields: object) {
  return rule({ matches: [fields] }).matches[0]!.match;
}

function grpcPath(method: object) {
  return rule({ matches: [{ method }] }, 'GRPCRoute').matches[0]!.match.path;
}

describe('matches of an HTTPRoute', () => {
  test.each([
    [{}, { headers: [] }],
    [{ path: { value: '/api' } }, { headers: [], path: { kind: 'prefix', value: '/api' } }],
    [{ path: { type: 'Exact', value: '/' } }, { headers: [], path: { kind: 'exact', value: '/' } }],
    [
      { path: { type: 'RegularExpression', value: '/v[12]/.*' } },
      { headers: [], path: { kind: 'regex', value: '/v[12]/.*' } },
    ],
    [{ method: 'POST' }, { headers: [], method: 'POST' }],
    [
      { headers: [{ name: 'X-Group', value: 'beta' }] },
      { headers: [{ name: 'x-group', condition: { kind: 'exact', value: 'beta' }, invert: false }] },
    ],
    [
      { queryParams: [{ type: 'RegularExpression', name: 'Q', value: '[0-9]+' }] },
      { headers: [], query: [{ name: 'Q', condition: { kind: 'regex', value: '[0-9]+' }, invert: false }] },
    ],
  ])('%j', (given, wanted) => {
    expect(match(given)).toEqual(wanted);
  });

  test('of two conditions on one header the first counts', () => {
    const { headers } = match({
      headers: [
        { name: 'a', value: '1' },
        { name: 'A', value: '2' },
      ],
    });
    expect(headers).toEqual([{ name: 'a', condition: { kind: 'exact', value: '1' }, invert: false }]);
  });
});

describe('matches of a GRPCRoute', () => {
  test.each([
    [
      { service: 'shop.Reviews', method: 'Get' },
      { kind: 'exact', value: '/shop.Reviews/Get' },
    ],
    [{ service: 'shop.Reviews' }, { kind: 'prefix', value: '/shop.Reviews' }],
    [{ method: 'Get.X' }, { kind: 'regex', value: '/[^/]+/Get\\.X' }],
    [
      { type: 'RegularExpression', service: 'shop\\..*' },
      { kind: 'regex', value: '/(?:shop\\..*)/[^/]+' },
    ],
    [
      { type: 'RegularExpression', service: 'a|b', method: 'G.*' },
      { kind: 'regex', value: '/(?:a|b)/(?:G.*)' },
    ],
  ])('%j', (given, wanted) => {
    expect(grpcPath(given)).toEqual(wanted);
  });

  test('no match takes everything', () => {
    expect(rule({}, 'GRPCRoute').matches.map(({ match }) => match)).toEqual([{ headers: [] }]);
  });
});

describe('what a rule does', () => {
  test('shares, their headers, and a weight of 1 where none is given', () => {
    const { split } = rule({
      backendRefs: [
        { name: 'a', port: 80, weight: 3 },
        {
          name: 'b',
          namespace: 'other',
          port: 81,
          filters: [
            { type: 'RequestHeaderModifier', requestHeaderModifier: { set: [{ name: 'X-A', value: '1' }] } },
          ],
        },
      ],
    }).route;
    const from = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'shop' };
    expect(split).toEqual([
      {
        service: { namespace: 'shop', name: 'a', port: 80, from },
        weight: 3,
        fallback: false,
        field: 'spec.rules[0].backendRefs[0]',
      },
      {
        service: { namespace: 'other', name: 'b', port: 81, from },
        weight: 1,
        fallback: false,
        headers: { request: { set: [{ name: 'x-a', value: '1' }], add: [], remove: [] } },
        field: 'spec.rules[0].backendRefs[1]',
      },
    ]);
  });

  test('filters, which join', () => {
    const { actions } = rule({
      matches: [{ path: { value: '/old' } }],
      filters: [
        {
          type: 'URLRewrite',
          urlRewrite: {
            hostname: 'in.example',
            path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '' },
          },
        },
        { type: 'RequestHeaderModifier', requestHeaderModifier: { remove: ['X-A'] } },
        {
          type: 'ResponseHeaderModifier',
          responseHeaderModifier: { add: [{ name: 'X-B', value: 'b,c' }] },
        },
      ],
    }).route;
    expect(actions).toEqual({
      rewrite: { host: 'in.example', path: { kind: 'prefix', value: '/' } },
      headers: {
        request: { set: [], add: [], remove: ['x-a'] },
        response: { set: [], add: [{ name: 'x-b', value: 'b,c' }], remove: [] },
      },
    });
  });

  test('a redirect, with 302 where no status is given, needs no backend', () => {
    const redirect = { scheme: 'https', hostname: 'a.example', port: 8443 };
    const { route } = rule({
      backendRefs: [],
      filters: [{ type: 'RequestRedirect', requestRedirect: redirect }],
    });
    expect(route).toEqual({
      name: 'r/rule-0',
      split: [],
      actions: {
        answer: { kind: 'redirect', scheme: 'https', host: 'a.example', port: 8443, status: 302 },
      },
    });
  });

  test('mirrors, of everything where no part is given, and none to a kind nobody knows', () => {
    const mirror = (fields: object) => ({ type: 'RequestMirror', requestMirror: fields });
    const filters = [
      mirror({ backendRef: BACKEND }),
      mirror({ backendRef: { ...BACKEND, namespace: 'other' }, percent: 5 }),
      mirror({ backendRef: BACKEND, fraction: { numerator: 1, denominator: 1000 } }),
      mirror({ backendRef: { group: 'example.net', kind: 'Bucket', name: 'b' } }),
    ];
    for (const kind of ['HTTPRoute', 'GRPCRoute'] as const) {
      const { rules, problems } = aRoute('r', [{ filters, backendRefs: [BACKEND] }], { kind });
      const { mirrors = [] } = rules[0]!.route;
      expect(mirrors.map(({ service, portion }) => [service!.namespace, portion])).toEqual([
        ['shop', { numerator: 100, denominator: 100 }],
        ['other', { numerator: 5, denominator: 100 }],
        ['shop', { numerator: 1, denominator: 1000 }],
      ]);
      expect(problems).toMatchObject([{ condition: 'ResolvedRefs', reason: 'InvalidKind' }]);
    }
  });

  test('CORS, with names in lower case and 5 s where nothing is said', () => {
    const cors = { allowOrigins: ['https://*.Shop.example'], allowHeaders: ['X-A'], allowMethods: ['PUT'] };
    expect(rule({ filters: [{ type: 'CORS', cors }] }).route.actions).toEqual({
      cors: {
        allowOrigins: ['https://*.shop.example'],
        allowMethods: ['PUT'],
        allowHeaders: ['x-a'],
        exposeHeaders: [],
        allowCredentials: false,
        maxAgeSeconds: 5,
      },
    });
  });

  test('timeouts and retries', () => {
    const { route } = rule({
      timeouts: { request: '10s', backendRequest: '500ms' },
      retry: { codes: [503], attempts: 3, backoff: '100ms' },
    });
    expect(route.timeouts).toEqual({ requestMs: 10_000, perTryMs: 500 });
    expect(route.retries).toMatchObject({ attempts: 3, statuses: [503], backoffMs: 100 });
    expect(rule({ timeouts: { request: '0s' } }).route.timeouts).toBeUndefined();
  });

  test('retries: one where none is said, of what nobody looked at; zero switches off', () => {
    expect(rule({}).route.retries).toBeUndefined();
    const { retries } = rule({ retry: {} }).route;
    expect(retries).toMatchObject({ attempts: 1, on: ['connect-failure', 'refused-stream'], statuses: [] });
    expect(rule({ retry: { attempts: 0, codes: [503] } }).route.retries).toMatchObject({
      attempts: 0,
      on: [],
      statuses: [],
    });
  });

  test.each([
    [{ cookie: { name: 'sid' } }, { carrier: 'cookie', name: 'sid', path: '/' }],
    [{ cookie: { name: 'sid', path: '/cart' } }, { carrier: 'cookie', name: 'sid', path: '/cart' }],
    [
      { absoluteTimeout: '1h', cookie: { name: 'sid', lifetimeType: 'Permanent' } },
      { carrier: 'cookie', name: 'sid', path: '/', lifetimeMs: 3_600_000, permanent: true },
    ],
    [
      { absoluteTimeout: '1h', sessionName: 'sid', cookieConfig: { lifetimeType: 'Permanent' } },
      { carrier: 'cookie', name: 'sid', byPath: true, lifetimeMs: 3_600_000, permanent: true },
    ],
    [
      { type: 'Header', header: { name: 'X-Cart' } },
      { carrier: 'header', name: 'x-cart', byPath: true },
    ],
    [
      { type: 'Header', sessionName: 'X-Cart' },
      { carrier: 'header', name: 'x-cart', byPath: true },
    ],
  ])('a session as v1.6 and v1.7 write it: %j', (sessionPersistence, session) => {
    expect(rule({ sessionPersistence }).route.session).toEqual(session);
  });

  test.each([
    [{ cookie: { name: 'a b' } }, 'cookie.name'],
    [{ cookie: { path: 'cart' } }, 'cookie.path'],
    [{ cookie: { path: '/a; Domain=b' } }, 'cookie.path'],
    [{ cookie: { lifetimeType: 'Permanent' } }, 'absoluteTimeout'],
    [{ cookie: { lifetimeType: 'Eternal' } }, 'cookie.lifetimeType'],
    [{ type: 'Header', header: { name: 'a b' } }, 'header.name'],
    [{ sessionName: 'a b' }, 'sessionName'],
  ])('a session that cannot act names its field: %j', (sessionPersistence, field) => {
    const { problems } = aRoute('r', [{ backendRefs: [BACKEND], sessionPersistence }]);
    expect(problems.map((problem) => problem.field)).toEqual([`spec.rules[0].sessionPersistence.${field}`]);
  });

  test.each(['HTTPRoute', 'GRPCRoute'] as const)(
    'sessions of an %s, each rule by a name of its own',
    (kind) => {
      const named = { sessionPersistence: { sessionName: 'sid', absoluteTimeout: '1h' } };
      const session = { carrier: 'cookie', name: 'sid', lifetimeMs: 3_600_000, byPath: true };
      expect(rule(named, kind).route.session).toEqual(session);
      const { rules } = aRoute('r', [{ sessionPersistence: {} }, { sessionPersistence: {} }], { kind });
      const names = rules.map(({ route }) => route.session?.name);
      expect(new Set(names).size).toBe(2);
    },
  );

  test('its name is that of the route and its own', () => {
    const named = rule({ name: 'canary' });
    expect([named.route.name, named.section]).toEqual(['r/canary', 'canary']);
  });
});

describe('what cannot act', () => {
  const filter = (type: string, fields: object = {}) => ({ filters: [{ type, ...fields }] });
  const redirect = (fields: object) => filter('RequestRedirect', { requestRedirect: fields });
  test.each([
    [filter('ExternalAuth', { externalAuth: {} }), 'UnsupportedValue', 'filters[0].type'],
    [
      filter('CORS', { cors: { allowOrigins: ['https://a*b.example'] } }),
      'UnsupportedValue',
      'filters[0].cors.allowOrigins[0]',
    ],
    [
      {
        filters: [
          { type: 'RequestRedirect', requestRedirect: { hostname: 'b' } },
          { type: 'RequestMirror', requestMirror: { backendRef: BACKEND } },
        ],
      },
      'IncompatibleFilters',
      'filters',
    ],
    [filter('Tomorrow'), 'UnsupportedValue', 'filters[0].type'],
    [
      filter('RequestHeaderModifier', { requestHeaderModifier: { remove: ['Connection'] } }),
      'UnsupportedValue',
      'filters[0].requestHeaderModifier',
    ],
    [redirect({ scheme: 'gopher' }), 'UnsupportedValue', 'filters[0].requestRedirect.scheme'],
    [redirect({ statusCode: 305 }), 'UnsupportedValue', 'filters[0].requestRedirect.statusCode'],
    [redirect({ path: { type: 'ReplacePrefixMatch' } }), 'UnsupportedValue', 'matches'],
    [
      {
        filters: [
          { type: 'URLRewrite', urlRewrite: { hostname: 'a' } },
          { type: 'RequestRedirect', requestRedirect: { hostname: 'b' } },
        ],
      },
      'IncompatibleFilters',
      'filters',
    ],
    [{ retry: { codes: [503], backoff: 'soon' } }, 'UnsupportedValue', 'retry.backoff'],
    [{ sessionPersistence: { type: 'Url' } }, 'UnsupportedValue', 'sessionPersistence.type'],
  ])('%j answers 500 and says so', (fields, reason, field) => {
    const route = aRoute('r', [{ backendRefs: [BACKEND], ...fields }]);
    expect(route.problems[0]).toMatchObject({
      condition: 'Accepted',
      reason,
      field: `spec.rules[0].${field}`,
    });
    expect(route.rules[0]!.route.split[0]!.invalid).toContain(field);
    expect(route.rules[0]!.route.actions).toBeUndefined();
  });

  test.each([
    [{ path: { type: 'RegularExpression', value: '(?=a)' } }],
    [{ path: { type: 'RegularExpression', value: `/${'a'.repeat(256)}` } }],
    [{ path: { type: 'Tomorrow', value: '/' } }],
    [{ headers: [{ type: 'Tomorrow', name: 'a', value: 'b' }] }],
    [{ method: 'get' }],
  ])('a rule whose match %j nobody understands is left out', (given) => {
    const route = aRoute('r', [{ matches: [given], backendRefs: [BACKEND] }]);
    expect(route.rules).toEqual([]);
    expect(route.problems[0]).toMatchObject({ condition: 'Accepted', reason: 'UnsupportedValue' });
  });

  test('a filter of somebody else is a reference that leads nowhere, too', () => {
    const extensionRef = { group: 'example.net', kind: 'MyFilter', name: 'a' };
    const { problems } = aRoute('r', [
      { ...filter('ExtensionRef', { extensionRef }), backendRefs: [BACKEND] },
    ]);
    expect(problems.map(({ condition, reason }) => `${condition} ${reason}`)).toEqual([
      'Accepted UnsupportedValue',
      'ResolvedRefs InvalidKind',
    ]);
  });

  test('a backend of another kind answers 500 for its share', () => {
    const other = { group: 'example.net', kind: 'Bucket', name: 'b' };
    const { rules, problems } = aRoute('r', [{ backendRefs: [BACKEND, other] }]);
    expect(rules[0]!.route.split.map(({ invalid }) => invalid)).toEqual([
      undefined,
      expect.stringContaining('Bucket.example.net'),
    ]);
    expect(problems).toMatchObject([{ condition: 'ResolvedRefs', reason: 'InvalidKind' }]);
  });

  test('core is another name of the group of Services, and of that alone', () => {
    const [core, others] = ['core', 'apps'].map((group) => ({ group, kind: 'Service', ...BACKEND }));
    const { rules } = aRoute('r', [{ backendRefs: [core, others] }]);
    expect(rules[0]!.route.split).toMatchObject([
      { service: { name: 'reviews', port: 8080 } },
      { invalid: expect.stringContaining('Service.apps') },
    ]);
  });

  test.each([[[]], [[{ ...BACKEND, weight: 0 }]]])(
    'no backend to send to (%j) answers 500',
    (backendRefs) => {
      const { split } = rule({ backendRefs }).route;
      expect(split).toMatchObject([{ weight: 1, invalid: 'no backend has a weight above 0' }]);
    },
  );
});

test('only parents that are Services are ours, and the status repeats what was written', () => {
  const parents = [
    { name: 'edge' },
    { group: '', kind: 'Service', name: 'reviews', port: 8080 },
    { group: '', kind: 'Service', name: 'reviews', namespace: 'other', sectionName: 'http' },
    { group: 'core', kind: 'Service', name: 'reviews' },
    { group: 'apps', kind: 'Service', name: 'reviews' },
  ];
  expect(aRoute('r', [], { parents }).parents).toEqual([
    {
      service: 'shop/reviews',
      port: 8080,
      written: { group: '', kind: 'Service', name: 'reviews', port: 8080 },
    },
    {
      service: 'other/reviews',
      portName: 'http',
      written: { group: '', kind: 'Service', namespace: 'other', name: 'reviews', sectionName: 'http' },
    },
    { service: 'shop/reviews', written: { group: 'core', kind: 'Service', name: 'reviews' } },
  ]);
});

test('an object of another shape is no route', () => {
  expect(toMeshRoute('HTTPRoute', { metadata: { name: 'a' }, spec: { rules: 'none' } })).toBeUndefined();
});
