import { describe, expect, test } from '@jest/globals';
import { encodeDestination } from '../../xds/resources/index.js';
import {
  POLICY_OF_SHOP,
  aPolicy,
  aPort,
  aService,
  aShop,
  aWorkload,
  anAddress,
  anEndpointSet,
  anEntry,
} from '../../testing/mesh.js';
import { compileDestination, destinationKey } from './compile-destination.js';
import type { CompiledDestination, DestinationRef } from '../words/destination.js';
import type { Mesh } from '../tables/mesh.js';
import { resolve } from './resolve.js';

const REVIEWS: DestinationRef = { kind: 'service', service: 'shop/reviews', port: 8080 };

function compiled(mesh: Mesh, ref: DestinationRef = REVIEWS, consumer = 'web'): CompiledDestination {
  const result = compileDestination(mesh, ref, consumer);
  if (result === undefined) throw new Error('not compiled');
  expect(result.key).toBe(destinationKey(mesh, ref, consumer));
  expect(result.destination.key).toBe(result.key);
  return result;
}

/** Addresses of each backend, by the backend's name. */
function backends(mesh: Mesh, consumer?: string): Record<string, string[]> {
  const { destination } = compiled(mesh, REVIEWS, consumer);
  return Object.fromEntries(
    destination.backends.map(({ name, endpoints }) => [
      name,
      endpoints.map((i) => destination.endpoints[i]!.address),
    ]),
  );
}

const ALL = ['10.244.0.1', '10.244.0.2', '10.244.0.3'];
const route = (split: ReturnType<typeof anEntry>[], name = 'route-0') => ({ name, matches: [], split });

describe('without policy', () => {
  test('one route takes everything to the Service itself, with what is asked of no proxy in particular', () => {
    const { destination, sources, depends } = compiled(aShop());
    expect(destination).toMatchObject({
      criticalFeatures: [],
      key: 'default/default/shop/reviews:8080/-',
      target: { kind: 'service', namespace: 'shop', name: 'reviews', port: 8080 },
      protocol: 'unknown',
      backends: [{ name: 'shop/reviews:8080', endpoints: [0, 1, 2] }],
      routes: [{ name: 'default', matches: [], split: [{ backend: 0, weight: 1 }] }],
      loadBalancer: { algorithm: 'peakEwma' },
    });
    expect(destination.endpoints[0]).toEqual({
      address: '10.244.0.1',
      port: 9080,
      identity: 'spiffe://cluster.local/ns/shop/sa/reviews',
      opaque: false,
    });
    expect(sources).toEqual([]);
    expect(depends).toEqual(['mesh', 'service/shop/reviews', 'mtls/shop']);
  });

  test('a Service or port that is gone is no destination', () => {
    const mesh = aShop();
    for (const ref of [
      { ...REVIEWS, port: 1 },
      { ...REVIEWS, service: 'shop/gone' },
      { kind: 'pod', uid: 'gone', address: '::', port: 1 } as const,
    ]) {
      expect(compileDestination(mesh, ref, 'web')).toBeUndefined();
      expect(destinationKey(mesh, ref, 'web')).toBeUndefined();
    }
  });
});

describe('endpoints', () => {
  test('only ready ones count', () => {
    const mesh = aShop();
    mesh.endpointSets.set(
      anEndpointSet([
        anAddress('10.244.0.1', 'a', { ready: false, serving: false }),
        anAddress('10.244.0.2', 'b'),
      ]),
    );
    expect(backends(mesh)).toEqual({ 'shop/reviews:8080': ['10.244.0.2'] });
  });

  test('when none is ready, those that terminate but serve take the traffic, as with kube-proxy', () => {
    const mesh = aShop();
    const leaving = { ready: false, serving: true, terminating: true };
    mesh.endpointSets.set(
      anEndpointSet([
        anAddress('10.244.0.1', 'a', leaving),
        anAddress('10.244.0.2', 'b', { ...leaving, serving: false }),
      ]),
    );
    expect(backends(mesh)).toEqual({ 'shop/reviews:8080': ['10.244.0.1'] });
  });

  test('an address whose pod is not known yet waits, rather than be dialled in plain text', () => {
    const mesh = aShop();
    mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a'), anAddress('10.244.0.9', 'newcomer')]));
    expect(backends(mesh)['shop/reviews:8080']).toEqual(['10.244.0.1']);
    mesh.workloads.set(aWorkload('newcomer', '10.244.0.9'));
    expect(backends(mesh)['shop/reviews:8080']).toEqual(['10.244.0.1', '10.244.0.9']);
  });

  test('an address without a pod is dialled in plain text', () => {
    const mesh = aShop();
    mesh.endpointSets.set(
      anEndpointSet([anAddress('192.0.2.1', undefined, { zone: 'other', forZone: 'far' })]),
    );
    expect(compiled(mesh).destination.endpoints).toEqual([
      { address: '192.0.2.1', port: 9080, zone: 'far', opaque: false },
    ]);
  });

  test.each([
    ['a pod without proxy', { meshed: false }, { identity: undefined, opaque: false }],
    ['a skipped port', { skipInboundPorts: [9080] }, { identity: undefined, opaque: false }],
    [
      'an opaque port',
      { opaquePorts: [9080] },
      { identity: 'spiffe://cluster.local/ns/shop/sa/reviews', opaque: true },
    ],
    [
      'an opaque port that is skipped',
      { opaquePorts: [9080], skipInboundPorts: [9080] },
      { identity: undefined, opaque: false },
    ],
    [
      'another service account',
      { serviceAccount: 'other' },
      { identity: 'spiffe://cluster.local/ns/shop/sa/other' },
    ],
    ['a zone', { zone: 'zone-a' }, { zone: 'zone-a' }],
  ])('%s shows in the endpoint', (_what, fields, want) => {
    const mesh = aShop();
    mesh.workloads.set(aWorkload('a', '10.244.0.1', fields));
    const { identity, opaque, zone } = compiled(mesh).destination.endpoints[0]!;
    expect({ identity, opaque, zone }).toMatchObject(want);
  });

  test('a pod in another network says so', () => {
    const mesh = aShop();
    mesh.workloads.set(
      aWorkload('a', '10.244.0.1', {
        key: { cluster: 'default', network: 'far', namespace: 'shop', name: 'a' },
      }),
    );
    expect(compiled(mesh).destination.endpoints.map(({ network }) => network)).toEqual([
      'far',
      undefined,
      undefined,
    ]);
  });

  test('a slice that lists another port does not count, and an address in two slices counts once', () => {
    const mesh = aShop();
    mesh.endpointSets.set(anEndpointSet([anAddress('10.244.0.1', 'a')], { name: 'again' }));
    mesh.endpointSets.set(
      anEndpointSet([anAddress('10.244.0.8', 'a')], {
        name: 'other',
        ports: [{ name: 'x', port: 1, protocol: 'TCP' }],
      }),
    );
    expect(backends(mesh)).toEqual({ 'shop/reviews:8080': ALL });
  });

  test('the dialled family decides which addresses of dual-stack pods are used', () => {
    const mesh = aShop();
    mesh.services.set(aService({ clusterIPs: ['10.96.0.5', 'fd00:96::5'] }));
    mesh.endpointSets.set(anEndpointSet([anAddress('fd00:244::1', 'a')], { name: 'reviews-v6' }));
    expect(backends(mesh)).toEqual({ 'shop/reviews:8080': ALL });
    const six = compiled(mesh, resolve(mesh, 'ip/[fd00:96::5]:8080'));
    expect(six.destination.endpoints.map(({ address }) => address)).toEqual(['fd00:244::1']);
    expect(six.key).toBe('default/default/shop/reviews:8080,ipv6/-');
    mesh.endpointSets.delete('shop/reviews-1');
    expect(backends(mesh)).toEqual({ 'shop/reviews:8080': ['fd00:244::1'] });
  });
});

describe('protocol', () => {
  test('is what the port declares', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort({ appProtocol: 'kubernetes.io/h2c' })] }));
    expect(compiled(mesh).destination.protocol).toBe('http2');
  });

  test('is bytes when every pod says so, meshed or not', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort({ appProtocol: 'http' })] }));
    mesh.workloads.set(aWorkload('a', '10.244.0.1', { opaquePorts: [9080] }));
    mesh.workloads.set(aWorkload('b', '10.244.0.2', { opaquePorts: [9080], meshed: false }));
    expect(compiled(mesh).destination.protocol).toBe('http1');
    mesh.workloads.set(aWorkload('c', '10.244.0.3', { opaquePorts: [9080] }));
    expect(compiled(mesh).destination.protocol).toBe('opaque');
  });
});

describe('split', () => {
  test('a canary over one Service, by the labels of pods', () => {
    const mesh = aShop();
    const canary = [
      anEntry({ labels: { version: 'v1' }, weight: 9999 }),
      anEntry({ labels: { version: 'v2' } }),
    ];
    mesh.policies.set(aPolicy('canary', { routes: [route(canary, 'canary')] }));
    expect(backends(mesh)).toEqual({
      'shop/reviews:8080{version=v1}': ['10.244.0.1', '10.244.0.2'],
      'shop/reviews:8080{version=v2}': ['10.244.0.3'],
    });
    const { destination, sources } = compiled(mesh);
    expect(destination.routes).toEqual([
      {
        name: 'canary',
        matches: [],
        split: [
          { backend: 0, weight: 9999 },
          { backend: 1, weight: 1 },
        ],
      },
    ]);
    expect(destination.criticalFeatures).toEqual(['route.split.weights']);
    expect(sources).toEqual([aPolicy('canary').ref]);
  });

  test('a subset without a ready endpoint stays empty, unless it may fall back to the rest of the Service', () => {
    const mesh = aShop();
    const labels = { version: 'v3' };
    mesh.policies.set(
      aPolicy('p', { routes: [route([anEntry({ labels }), anEntry({ labels, fallback: true })])] }),
    );
    const { destination } = compiled(mesh);
    expect(destination.backends).toEqual([
      { name: 'shop/reviews:8080{version=v3}', endpoints: [] },
      { name: 'shop/reviews:8080{version=v3}', endpoints: [0, 1, 2] },
    ]);
  });

  test('the same backend in two routes is written once', () => {
    const mesh = aShop();
    mesh.policies.set(
      aPolicy('p', { routes: [route([anEntry()]), route([anEntry({ weight: 5 })]), route([])] }),
    );
    const { destination } = compiled(mesh);
    expect(destination.backends).toHaveLength(1);
    expect(destination.endpoints).toHaveLength(3);
  });

  test('another Service brings its own endpoints, and is depended upon', () => {
    const mesh = aShop();
    mesh.services.set(aService({ name: 'next', clusterIPs: ['10.96.0.6'], ports: [aPort({ port: 80 })] }));
    mesh.workloads.set(aWorkload('d', '10.244.0.4'));
    mesh.endpointSets.set(
      anEndpointSet([anAddress('10.244.0.4', 'd')], { name: 'next-1', service: 'shop/next' }),
    );
    const service = { namespace: 'shop', name: 'next', port: 80 };
    mesh.policies.set(aPolicy('p', { routes: [route([anEntry({ service }), anEntry()])] }));
    expect(backends(mesh)).toEqual({ 'shop/next:80': ['10.244.0.4'], 'shop/reviews:8080': ALL });
    expect(compiled(mesh).depends).toEqual([
      'mesh',
      'service/shop/reviews',
      'service/shop/next',
      'mtls/shop',
    ]);
  });

  test.each([
    ['a missing Service', { namespace: 'shop', name: 'gone' }, 'Service shop/gone does not exist'],
    [
      'a missing port',
      { namespace: 'shop', name: 'reviews', port: 1 },
      'Service shop/reviews has no TCP port 1; its TCP ports are 8080',
    ],
    [
      'a Service outside',
      { namespace: 'shop', name: 'outside' },
      'Service shop/outside is of type ExternalName, which has no endpoints to send to',
    ],
  ])('%s is an invalid backend with the reason, never somewhere else', (_what, service, invalid) => {
    const mesh = aShop();
    mesh.services.set(aService({ name: 'outside', clusterIPs: [], type: 'ExternalName' }));
    mesh.policies.set(aPolicy('p', { routes: [route([anEntry({ service })])] }));
    const { destination, depends } = compiled(mesh);
    expect(destination.backends[0]).toMatchObject({ endpoints: [], invalid });
    expect(depends).toContain(`service/shop/${service.name}`);
  });
});

describe('which policy acts', () => {
  const named = (mesh: Mesh, ref = REVIEWS, consumer = 'web') =>
    compiled(mesh, ref, consumer).sources.map(({ namespace, name }) => `${namespace}/${name}`);

  test('the oldest of a namespace, then the first by name', () => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('b', {}, { createdAt: '2026-02-01T00:00:00Z' }));
    mesh.policies.set(aPolicy('c', {}, { createdAt: '2026-01-01T00:00:00Z' }));
    mesh.policies.set(aPolicy('a', {}, { createdAt: '2026-02-01T00:00:00Z' }));
    expect(named(mesh)).toEqual(['shop/c']);
    mesh.policies.delete('shop/c');
    expect(named(mesh)).toEqual(['shop/a']);
  });

  test('one that names the port, over an older one that names the Service', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort(), aPort({ name: 'admin', port: 8081 })] }));
    mesh.policies.set(aPolicy('all'));
    const targets = [{ service: 'shop/reviews', port: 8080, field: '' }];
    mesh.policies.set(aPolicy('one', { targets }, { createdAt: '2026-05-01T00:00:00Z' }));
    expect(named(mesh)).toEqual(['shop/one']);
    expect(named(mesh, { ...REVIEWS, port: 8081 })).toEqual(['shop/all']);
  });

  test("the consumer's own replaces the producer's, for callers in its namespace only", () => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('producer', { routes: [route([anEntry({ labels: { version: 'v1' } })])] }));
    mesh.policies.set(
      aPolicy('own', { routes: [] }, { namespace: 'web', createdAt: '2026-05-01T00:00:00Z' }),
    );
    expect(named(mesh, REVIEWS, 'web')).toEqual(['web/own']);
    expect(compiled(mesh, REVIEWS, 'web').key).toBe('default/default/shop/reviews:8080/web');
    expect(backends(mesh, 'web')).toEqual({ 'shop/reviews:8080': ALL });
    expect(named(mesh, REVIEWS, 'other')).toEqual(['shop/producer']);
    expect(compiled(mesh, REVIEWS, 'other').key).toBe('default/default/shop/reviews:8080/-');
    expect(named(mesh, REVIEWS, 'shop')).toEqual(['shop/producer']);
  });
});

describe('a pod dialled directly', () => {
  test('is one endpoint without policy, under a key that no Service has', () => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('p', { routes: [route([anEntry({ labels: { version: 'v2' } })])] }));
    const { destination, key, depends } = compiled(mesh, resolve(mesh, 'ip/10.244.0.1:9080'));
    expect(key).toBe('default/default/shop/pod/a:9080/-');
    expect(destination).toMatchObject({
      target: { kind: 'pod', namespace: 'shop', name: 'a', port: 9080 },
      endpoints: [
        { address: '10.244.0.1', port: 9080, identity: 'spiffe://cluster.local/ns/shop/sa/reviews' },
      ],
      backends: [{ name: 'shop/a:9080', endpoints: [0] }],
    });
    expect(depends).toEqual(['mesh', 'workload/a', 'mtls/shop']);
  });

  test('speaks what a Service declares for the port', () => {
    const mesh = aShop();
    mesh.services.set(aService({ ports: [aPort({ appProtocol: 'grpc' })] }));
    expect(compiled(mesh, resolve(mesh, 'ip/10.244.0.1:9080')).destination.protocol).toBe('http2');
    expect(compiled(mesh, resolve(mesh, 'ip/10.244.0.1:1234')).destination.protocol).toBe('unknown');
  });

  test.each([15120, 15121])("the proxy's own port %d is not meshed", (port) => {
    const mesh = aShop();
    expect(
      compiled(mesh, resolve(mesh, `ip/10.244.0.1:${port}`)).destination.endpoints[0]!.identity,
    ).toBeUndefined();
  });

  test('its second family is dialled when the caller did so, under another key', () => {
    const mesh = aShop();
    mesh.workloads.set(aWorkload('a', '10.244.0.1', { ips: ['10.244.0.1', 'fd00::1'] }));
    const { key, destination } = compiled(mesh, resolve(mesh, 'ip/[fd00::1]:9080'));
    expect(key).toBe('default/default/shop/pod/a:9080,ipv6/-');
    expect(destination.endpoints[0]!.address).toBe('fd00::1');
  });
});

describe('critical features', () => {
  const text = (kind: 'exact' | 'regex') => ({ kind, value: 'x' }) as const;
  test.each([
    [{ headers: [], path: text('exact') }, ['route.match.path']],
    [{ headers: [], path: text('regex') }, ['route.match.path', 'route.match.regex']],
    [{ headers: [{ name: 'a', condition: text('exact'), invert: false }] }, ['route.match.headers']],
    [
      { headers: [{ name: 'a', condition: text('regex'), invert: false }] },
      ['route.match.headers', 'route.match.regex'],
    ],
    [{ headers: [], method: 'GET' }, ['route.match.method']],
    [
      { headers: [], query: [{ name: 'a', condition: text('regex'), invert: false }] },
      ['route.match.query', 'route.match.regex'],
    ],
    [{ headers: [], serverNames: ['*.example.org'] }, ['route.match.serverNames']],
    [{ headers: [], from: { namespaces: ['qa'], serviceAccounts: [], labels: {} } }, ['route.match.from']],
  ])('%j asks for %j', (match, want) => {
    const mesh = aShop();
    mesh.policies.set(aPolicy('p', { routes: [{ name: 'r', matches: [match], split: [] }] }));
    expect(compiled(mesh).destination.criticalFeatures).toEqual(want);
  });

  test('a route that answers by itself sends nowhere and asks for it', () => {
    const mesh = aShop();
    const headers = { response: { remove: ['server'], set: [], add: [] } };
    const answer = { kind: 'direct', status: 200, body: '', contentType: '' } as const;
    const rewritten = { ...route([anEntry({ headers })]), actions: { rewrite: { host: 'a' } } };
    mesh.policies.set(
      aPolicy('p', { routes: [{ name: 'r', matches: [], split: [], actions: { answer } }, rewritten] }),
    );
    const { destination } = compiled(mesh);
    expect(destination.criticalFeatures).toEqual(['route.answer', 'route.headers', 'route.rewrite']);
    expect(destination.routes.map(({ split }) => split)).toEqual([[], [{ backend: 0, weight: 1, headers }]]);
  });
});

test('bytes do not depend on the order in which the cluster told us', () => {
  const addresses = [
    anAddress('10.244.0.3', 'c'),
    anAddress('10.244.0.1', 'a'),
    anAddress('10.244.0.2', 'b'),
  ];
  const mesh = aShop();
  const before = encodeDestination(compiled(mesh).destination);
  mesh.endpointSets.set(anEndpointSet(addresses.slice(0, 1)));
  mesh.endpointSets.set(anEndpointSet(addresses.slice(1), { name: 'reviews-0' }));
  const after = encodeDestination(compiled(mesh).destination);
  expect(after.version).toBe(before.version);
  expect(Buffer.from(after.bytes).equals(Buffer.from(before.bytes))).toBe(true);
  mesh.workloads.set(aWorkload('a', '10.244.0.1', { zone: 'z' }));
  expect(encodeDestination(compiled(mesh).destination).version).not.toBe(before.version);
});

describe('beside splits', () => {
  const lane = (fields: object = {}) =>
    route([anEntry({ labels: { version: 'v9' }, fallback: true, ...fields })]);

  test('a fallback leads to the endpoints with its labels, and to nobody where there are none', () => {
    const mesh = aShop();
    const name = 'shop/reviews:8080{version=v9}';
    mesh.policies.set(aPolicy('p', { routes: [lane()] }));
    expect(backends(mesh)[name]).toEqual(ALL);
    mesh.policies.set(aPolicy('p', { routes: [lane({ fallbackLabels: { version: 'v2' } })] }));
    expect(backends(mesh)[name]).toEqual(['10.244.0.3']);
    mesh.policies.set(aPolicy('p', { routes: [lane({ fallbackLabels: { version: 'v8' } })] }));
    expect(backends(mesh)[name]).toEqual([]);
  });

  test('a Service of another namespace takes its share, with its own identity', () => {
    const mesh = aShop();
    mesh.services.set(aService({ namespace: 'lab', name: 'next', clusterIPs: ['10.96.0.9'] }));
    const key = { cluster: 'default', network: 'default', namespace: 'lab', name: 'n' };
    mesh.workloads.set(aWorkload('n', '10.244.0.9', { key, serviceAccount: 'next' }));
    mesh.endpointSets.set(
      anEndpointSet([anAddress('10.244.0.9', 'n')], {
        namespace: 'lab',
        name: 'next-1',
        service: 'lab/next',
      }),
    );
    const split = [anEntry({ weight: 9999 }), anEntry({ service: { namespace: 'lab', name: 'next' } })];
    mesh.grants.set({ namespace: 'lab', name: 'shop', from: [POLICY_OF_SHOP], services: 'all' });
    mesh.policies.set(aPolicy('p', { routes: [route(split)] }));
    const { destination, depends } = compiled(mesh);
    expect(destination.routes[0]?.split).toEqual([
      { backend: 0, weight: 9999 },
      { backend: 1, weight: 1 },
    ]);
    expect(destination.backends[1]).toEqual({ name: 'lab/next:8080', endpoints: [3] });
    expect(destination.endpoints[3]?.identity).toBe('spiffe://cluster.local/ns/lab/sa/next');
    expect(depends).toContain('service/lab/next');
  });

  test('a mirror is a backend like another, and what it depends on', () => {
    const mesh = aShop();
    const portion = { numerator: 1, denominator: 100 };
    const mirrors = [{ labels: { version: 'v2' }, fallback: false, portion, field: '' }];
    mesh.policies.set(aPolicy('p', { routes: [{ ...route([]), mirrors }] }));
    const { destination } = compiled(mesh);
    expect(destination.routes).toEqual([
      {
        name: 'route-0',
        matches: [],
        split: [{ backend: 0, weight: 1 }],
        mirrors: [{ backend: 1, portion }],
      },
    ]);
    expect(destination.backends[1]).toEqual({ name: 'shop/reviews:8080{version=v2}', endpoints: [2] });
    expect(destination.criticalFeatures).toEqual(['route.mirror']);
  });

  test('routes that all ask for another port leave none, and a request is told so', () => {
    const mesh = aShop();
    mesh.policies.set(
      aPolicy('p', { routes: [{ name: 'r', matches: [{ headers: [], port: 9 }], split: [] }] }),
    );
    expect(compiled(mesh).destination.routes).toMatchObject([
      { name: 'none', matches: [], split: [], actions: { answer: { kind: 'direct', status: 404 } } },
    ]);
  });
});
