import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { httpRoute, installGatewayApi, parent, request, routeCondition, seen } from '../support/gateway.js';
import type { Condition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-gateway-http';
const FAR = 'e2e-gateway-far';
const CLIENT = 'deploy/client';

const certificates = await kubectl('get', '--raw', '/apis/certificates.k8s.io/v1');
const servesTrustBundles = certificates.includes('"clustertrustbundles"');

const ask = (path: string, ...flags: string[]) => request(NS, CLIENT, `http://front:8080${path}`, ...flags);
const prefix = (value: string): object => ({ path: { type: 'PathPrefix', value } });
const backend = (name: string, rest: object = {}): object => ({ name, port: 8080, ...rest });

/** Puts a route in the place of the one before and waits until Weft has accepted it and it is seen to act. */
async function routeTo(rules: object[], acts: () => Promise<boolean>, rest: object = {}): Promise<void> {
  await apply(httpRoute(NS, 'front', { parentRefs: [parent('front')], rules, ...rest }));
  await routeCondition({ namespace: NS, name: 'front' }, 'Accepted', 'True');
  await eventually('the route acts', acts, 15);
}

beforeAll(async () => {
  await installGatewayApi();
  await apply([namespace(NS), namespace(FAR)]);
  await deploy(
    { namespace: NS, name: 'front' },
    { namespace: NS, name: 'one', version: 'one' },
    { namespace: NS, name: 'two', version: 'two' },
    { namespace: NS, name: 'client' },
    { namespace: FAR, name: 'far', version: 'far' },
  );
});

afterAll(() => kubectl('delete', 'namespace', NS, FAR, '--wait=false'));

describe('redirects', () => {
  const cases: [what: string, redirect: object, location: string][] = [
    [
      'prefix',
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
      'http://front:8080/new/a?b=c',
    ],
    ['strip', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }, 'http://front:8080/a?b=c'],
    ['full', { path: { type: 'ReplaceFullPath', replaceFullPath: '/whole' } }, 'http://front:8080/whole?b=c'],
    ['host', { hostname: 'example.org' }, 'http://example.org:8080/host/a?b=c'],
    ['scheme', { scheme: 'https' }, 'https://front/scheme/a?b=c'],
    ['port', { port: 8443 }, 'http://front:8443/port/a?b=c'],
    ['usual', { scheme: 'https', port: 443 }, 'https://front/usual/a?b=c'],
    ['odd', { scheme: 'https', port: 8443 }, 'https://front:8443/odd/a?b=c'],
    [
      'all',
      {
        scheme: 'https',
        hostname: 'example.org',
        port: 8443,
        path: { type: 'ReplaceFullPath', replaceFullPath: '/x' },
        statusCode: 301,
      },
      'https://example.org:8443/x?b=c',
    ],
    ['status', { statusCode: 303 }, 'http://front:8080/status/a?b=c'],
  ];

  beforeAll(() =>
    routeTo(
      cases.map(([what, requestRedirect]) => ({
        matches: [prefix(`/${what}`)],
        filters: [{ type: 'RequestRedirect', requestRedirect }],
      })),
      async () => (await ask('/prefix')).status === 302,
    ),
  );

  test.each(cases)('Location of a redirect that changes %s', async (what, redirect, location) => {
    const { status, headers } = await ask(`/${what}/a?b=c`);
    expect({ status, location: headers['location'] }).toEqual({
      status: (redirect as { statusCode?: number }).statusCode ?? 302,
      location,
    });
  });

  test('a path that no rule matches is answered 404', async () => {
    expect((await ask('/elsewhere')).status).toBe(404);
  });
});

describe('rewrites', () => {
  const cases: [path: string, urlRewrite: object, expected: { path?: string; host?: string }][] = [
    [
      '/prefix/a?b=c',
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } },
      { path: '/new/a?b=c' },
    ],
    ['/strip/a', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }, { path: '/a' }],
    ['/bare', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }, { path: '/' }],
    ['/full/a?b=c', { path: { type: 'ReplaceFullPath', replaceFullPath: '/whole' } }, { path: '/whole?b=c' }],
    ['/host', { hostname: 'rewritten.example' }, { path: '/host', host: 'rewritten.example' }],
  ];

  beforeAll(() =>
    routeTo(
      cases.map(([path, urlRewrite]) => ({
        matches: [prefix(/^\/\w+/.exec(path)?.[0] ?? path)],
        filters: [{ type: 'URLRewrite', urlRewrite }],
        backendRefs: [backend('one')],
      })),
      async () => (await ask('/strip/x')).status === 200,
    ),
  );

  test.each(cases)('%s arrives rewritten by %j', async (path, _rewrite, expected) => {
    const arrived = seen(await ask(path));
    expect(arrived).toMatchObject({ service: 'one', ...expected });
    if (expected.host === undefined) expect(arrived.host).toBe('front:8080');
  });
});

describe('matches', () => {
  beforeAll(() =>
    routeTo(
      [
        { matches: [{ method: 'POST' }], backendRefs: [backend('two')] },
        { matches: [{ headers: [{ name: 'X-Lane', value: 'b' }] }], backendRefs: [backend('two')] },
        {
          matches: [{ headers: [{ type: 'RegularExpression', name: 'x-user', value: 'a[0-9]+' }] }],
          backendRefs: [backend('two')],
        },
        {
          matches: [{ path: { type: 'RegularExpression', value: '/v[0-9]+/.*' } }],
          backendRefs: [backend('two')],
        },
        { matches: [{ path: { type: 'Exact', value: '/exact' } }], backendRefs: [backend('two')] },
        { backendRefs: [backend('one')] },
      ],
      async () => (await ask('/', '-method', 'POST')).headers['x-version'] === 'two',
    ),
  );

  test.each<[what: string, path: string, flags: string[], version: string]>([
    ['method', '/', ['-method', 'POST'], 'two'],
    ['another method', '/', ['-method', 'PUT'], 'one'],
    ['header, whatever its case', '/', ['-headers', 'x-lane=b'], 'two'],
    ['header with another value', '/', ['-headers', 'x-lane=B'], 'one'],
    ['header by expression', '/', ['-headers', 'x-user=a12'], 'two'],
    ['an expression holds for the whole value', '/', ['-headers', 'x-user=a12z'], 'one'],
    ['path by expression', '/v2/x', [], 'two'],
    ['exact path', '/exact', [], 'two'],
    ['more than the exact path', '/exact/', [], 'one'],
  ])('%s', async (_what, path, flags, version) => {
    expect((await ask(path, ...flags)).headers['x-version']).toBe(version);
  });
});

test('the most specific match wins, whatever the order of rules', async () => {
  await routeTo(
    [
      { matches: [prefix('/')], backendRefs: [backend('one')] },
      { matches: [prefix('/a')], backendRefs: [backend('one')] },
      { matches: [prefix('/a/b')], backendRefs: [backend('two')] },
      {
        matches: [{ ...prefix('/a'), headers: [{ name: 'x-lane', value: 'b' }] }],
        backendRefs: [backend('two')],
      },
    ],
    async () => (await ask('/a/b/c')).headers['x-version'] === 'two',
  );
  expect((await ask('/a/c')).headers['x-version']).toBe('one');
  expect((await ask('/a/c', '-headers', 'x-lane=b')).headers['x-version']).toBe('two');
});

test('a backend in another namespace needs a ReferenceGrant of that one', async () => {
  await routeTo(
    [{ backendRefs: [backend('far', { namespace: FAR })] }],
    async () => (await ask('/')).status === 500,
  );
  const refused = await routeCondition({ namespace: NS, name: 'front' }, 'ResolvedRefs', 'False');
  expect(refused.reason).toBe('RefNotPermitted');
  const from = { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: NS };
  await apply({
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    metadata: { name: 'near', namespace: FAR },
    spec: { from: [from], to: [{ group: '', kind: 'Service', name: 'far' }] },
  });
  await routeTo(
    [{ backendRefs: [backend('far', { namespace: FAR })] }],
    async () => (await ask('/')).headers['x-version'] === 'far',
  );
  const resolved = await routeCondition({ namespace: NS, name: 'front' }, 'ResolvedRefs', 'True');
  expect(resolved.reason).toBe('ResolvedRefs');
});

test('a backend that does not exist answers 500 for its share, and the status names it', async () => {
  await routeTo(
    [{ backendRefs: [backend('one', { weight: 3 }), backend('nowhere', { weight: 1 })] }],
    async () =>
      (await load(NS, CLIENT, '-url', 'http://front:8080/', '-count', '40', '-rate', '0')).statuses['500'] !==
      undefined,
  );
  const unresolved = await routeCondition({ namespace: NS, name: 'front' }, 'ResolvedRefs', 'False');
  expect(unresolved).toMatchObject({ reason: 'BackendNotFound', message: expect.stringMatching(/nowhere/) });
  const { statuses } = await load(NS, CLIENT, '-url', 'http://front:8080/', '-count', '1000', '-rate', '0');
  // A quarter of 1000, +- 3.89 standard deviations of 13.7: the 99.99 % binomial interval.
  expect(statuses['500']).toBeGreaterThan(196);
  expect(statuses['500']).toBeLessThan(304);
});

test('weights hold; a weight of zero takes nothing', async () => {
  await routeTo(
    [
      {
        backendRefs: [
          backend('one', { weight: 9 }),
          backend('two', { weight: 1 }),
          backend('front', { weight: 0 }),
        ],
      },
    ],
    async () => (await ask('/')).headers['x-version'] !== 'v1',
  );
  const { versions } = await load(NS, CLIENT, '-url', 'http://front:8080/', '-count', '1000', '-rate', '0');
  expect(Object.keys(versions).sort()).toEqual(['one', 'two']);
  expect(versions['two']).toBeGreaterThan(63);
  expect(versions['two']).toBeLessThan(137);
});

test('backends whose weights are all zero answer 500', async () => {
  await routeTo(
    [{ backendRefs: [backend('one', { weight: 0 })] }],
    async () => (await ask('/')).status === 500,
  );
});

test('a rule without backends and without a redirect answers 500', async () => {
  await routeTo([{ matches: [prefix('/nothing')] }], async () => (await ask('/nothing')).status === 500);
});

test('headers: the route changes requests and responses, a backend its own share', async () => {
  await routeTo(
    [
      {
        filters: [
          {
            type: 'RequestHeaderModifier',
            requestHeaderModifier: { add: [{ name: 'x-route', value: 'r' }] },
          },
          {
            type: 'ResponseHeaderModifier',
            responseHeaderModifier: { set: [{ name: 'x-version', value: 'hidden' }] },
          },
        ],
        backendRefs: [
          backend('one', {
            filters: [
              {
                type: 'RequestHeaderModifier',
                requestHeaderModifier: { set: [{ name: 'x-share', value: 's' }] },
              },
              {
                type: 'ResponseHeaderModifier',
                responseHeaderModifier: { add: [{ name: 'x-back', value: 'b' }] },
              },
            ],
          }),
        ],
      },
    ],
    async () => (await ask('/')).headers['x-version'] === 'hidden',
  );
  const response = await ask('/', '-headers', 'x-route=own');
  expect(response.headers).toMatchObject({ 'x-version': 'hidden', 'x-back': 'b' });
  expect(seen(response).headers).toMatchObject({ 'x-route': 'own,r', 'x-share': 's' });
});

describe('CORS', () => {
  const preflight = ['-method', 'OPTIONS'];
  const asked = (origin: string): string[] => [
    '-headers',
    `origin=${origin};access-control-request-method=PUT`,
  ];

  beforeAll(() =>
    routeTo(
      [
        {
          filters: [
            {
              type: 'CORS',
              cors: {
                allowOrigins: ['https://shop.example', 'https://*.shop.example'],
                allowMethods: ['GET', 'PUT'],
                allowHeaders: ['x-token'],
                exposeHeaders: ['x-version'],
                allowCredentials: true,
                maxAge: 600,
              },
            },
          ],
          backendRefs: [backend('one')],
        },
      ],
      async () =>
        (await ask('/', '-headers', 'origin=https://shop.example')).headers['access-control-allow-origin'] !==
        undefined,
    ),
  );

  test('the preflight of an allowed origin is answered without the backend', async () => {
    const { status, headers } = await ask('/', ...preflight, ...asked('https://shop.example'));
    expect([200, 204]).toContain(status);
    expect(headers).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'access-control-allow-credentials': 'true',
      'access-control-max-age': '600',
    });
    expect(headers['access-control-allow-methods']).toMatch(/PUT/);
    expect(headers['access-control-allow-headers']).toMatch(/x-token/i);
    expect(headers['x-version']).toBeUndefined();
  });

  test('a wildcard allows subdomains, and no other origin', async () => {
    const good = await ask('/', ...preflight, ...asked('https://a.shop.example'));
    expect(good.headers['access-control-allow-origin']).toBe('https://a.shop.example');
    for (const origin of [
      'https://evil.example',
      'http://shop.example',
      'https://shop.example.evil.example',
    ]) {
      const refused = await ask('/', ...preflight, ...asked(origin));
      expect(refused.headers['access-control-allow-origin']).toBeUndefined();
    }
  });

  test('a request of an allowed origin reaches the backend, and its answer may be read', async () => {
    const response = await ask('/', '-headers', 'origin=https://shop.example');
    expect(response.status).toBe(200);
    expect(seen(response).service).toBe('one');
    expect(response.headers).toMatchObject({
      'access-control-allow-origin': 'https://shop.example',
      'access-control-expose-headers': 'x-version',
    });
  });
});

describe('a BackendTLSPolicy on the API server, which is outside the mesh', () => {
  const WHERE = ['-n', 'default', '--ignore-not-found'];
  const version = () => request(NS, CLIENT, 'http://kubernetes.default:443/version');

  interface Policy {
    readonly status?: {
      readonly ancestors?: readonly {
        readonly ancestorRef: { readonly kind: string; readonly name: string };
        readonly controllerName: string;
        readonly conditions: readonly Condition[];
      }[];
    };
  }

  /** Applies it, and waits until Weft says this of it. */
  async function trusting(hostname: string, trust: object, conditions: readonly string[]): Promise<void> {
    await apply({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'BackendTLSPolicy',
      metadata: { name: 'e2e-api-server', namespace: 'default' },
      spec: {
        targetRefs: [{ group: '', kind: 'Service', name: 'kubernetes', sectionName: 'https' }],
        validation: { hostname, ...trust },
      },
    });
    await eventually('the policy has its status', async () => {
      const { status } = await get<Policy>('backendtlspolicy', 'e2e-api-server', '-n', 'default');
      const [ours] = (status?.ancestors ?? []).filter(({ controllerName }) =>
        controllerName.startsWith('weft.dev/'),
      );
      const said = ours?.conditions.map(({ type, status: is, reason }) => `${type} ${is} ${reason}`);
      return said?.join() === conditions.join() && ours?.ancestorRef.name === 'kubernetes';
    });
  }

  const ref = (group: string, kind: string, name: string) => ({ caCertificateRefs: [{ group, kind, name }] });
  const map = (name: string) => ref('', 'ConfigMap', name);
  const GOOD = ['Accepted True Accepted', 'ResolvedRefs True ResolvedRefs'];
  const arrives = () =>
    eventually('it arrives', async () => {
      const response = await version();
      return response.status === 200 && response;
    });
  const isRefused = async (): Promise<boolean> => {
    const { status, headers } = await version();
    return status === 503 && headers['x-weft-reason'] === 'tls-failed';
  };

  afterAll(() => kubectl('delete', 'backendtlspolicy', 'e2e-api-server', ...WHERE));

  test('without one a request in plain text is not understood', async () => {
    expect((await version()).status).toBe(400);
  });

  test('a request in plain text arrives in TLS that is verified', async () => {
    await trusting('kubernetes.default.svc', map('kube-root-ca.crt'), GOOD);
    const { body } = await arrives();
    expect(JSON.parse(body)).toMatchObject({ gitVersion: expect.stringMatching(/^v1\./) });
  });

  test('a name that it does not prove, and certificates that are not there, refuse it', async () => {
    await trusting('other.example.org', map('kube-root-ca.crt'), GOOD);
    await eventually('the name is refused', isRefused);
    await trusting('kubernetes.default.svc', map('gone'), [
      'Accepted False NoValidCACertificate',
      'ResolvedRefs False InvalidCACertificateRef',
    ]);
    await eventually('nothing is verified', isRefused);
  });

  test('the public authorities have not signed for it', async () => {
    await trusting('kubernetes.default.svc', map('kube-root-ca.crt'), GOOD);
    await arrives();
    await trusting('kubernetes.default.svc', { wellKnownCACertificates: 'System' }, GOOD);
    await eventually('they are asked', isRefused);
  });

  (servesTrustBundles ? test : test.skip)('a ClusterTrustBundle serves as well', async () => {
    const named = ref('certificates.k8s.io', 'ClusterTrustBundle', 'e2e-api-server');
    await trusting('kubernetes.default.svc', named, [
      'Accepted False NoValidCACertificate',
      'ResolvedRefs False InvalidCACertificateRef',
    ]);
    await eventually('nothing is verified', isRefused);
    const { data } = await get<{ data: Record<string, string> }>('configmap', 'kube-root-ca.crt', '-n', NS);
    try {
      await apply({
        apiVersion: 'certificates.k8s.io/v1',
        kind: 'ClusterTrustBundle',
        metadata: { name: 'e2e-api-server' },
        spec: { trustBundle: data['ca.crt'] },
      });
      await trusting('kubernetes.default.svc', named, GOOD);
      await arrives();
    } finally {
      await kubectl('delete', 'clustertrustbundle', 'e2e-api-server', '--ignore-not-found');
    }
    await eventually('nothing is verified any more', isRefused);
  });
});
