import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import { aShop, aWorkload } from '../../testing/mesh.js';
import { judgeRoute } from '../judge/judge-route.js';
import { judgeXBackend, xBackendsAbout } from '../judge/judge-x-backend.js';
import { toXBackend } from '../read/gateway-api/to-x-backend.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { compileDestination } from './compile-destination.js';

const REF = { group: 'gateway.networking.x-k8s.io', kind: 'XBackend', name: 'pods' };
const SPEC = {
  type: 'EndpointSelector',
  port: { number: 9080 },
  endpointSelector: { matchLabels: { version: 'v1' } },
};

const anXBackend = (spec: object = {}) =>
  toXBackend({
    metadata: { name: 'pods', namespace: 'shop', uid: 'pods', generation: 1 },
    spec: { ...SPEC, ...spec },
  })!;

function shop(ref: object = REF): MeshTables {
  const mesh = aShop();
  mesh.xBackends.set(anXBackend());
  mesh.routes.set(aRoute('r', [{ backendRefs: [ref] }]));
  return mesh;
}

function compiled(mesh: MeshTables) {
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  const { destination, depends } = compileDestination(mesh, ref, 'shop')!;
  const { backends, endpoints } = destination;
  const [split] = destination.routes.find(({ name }) => name === 'r/rule-0')!.split;
  const { name, invalid, endpoints: places } = backends[split!.backend]!;
  const session = destination.routes.find((route) => route.name === 'r/rule-0')!.session;
  const addresses = places.map((place) => `${endpoints[place]!.address}:${endpoints[place]!.port}`);
  return { name, invalid, addresses, session, depends, identity: endpoints[places[0] ?? 0]?.identity };
}

describe('an XBackend that selects pods', () => {
  test('has those of its namespace that are ready, with their identities, at its own port', () => {
    const mesh = shop();
    mesh.workloads.set(aWorkload('late', '10.244.0.4', { labels: { version: 'v1' }, ready: false }));
    const elsewhere = { cluster: 'default', network: 'default', namespace: 'other', name: 'o' };
    mesh.workloads.set(aWorkload('o', '10.244.0.9', { labels: { version: 'v1' }, key: elsewhere }));
    expect(compiled(mesh)).toMatchObject({
      name: 'shop/XBackend:pods:9080',
      addresses: ['10.244.0.1:9080', '10.244.0.2:9080'],
      identity: 'spiffe://cluster.local/ns/shop/sa/reviews',
    });
  });

  test('follows pods that come, go, change their labels or their readiness', () => {
    const mesh = shop();
    const { depends } = compiled(mesh);
    const isDirty = (dirty: ReadonlySet<string>) => depends.some((key) => dirty.has(key));
    const d = (fields: object) => aWorkload('d', '10.244.0.4', { labels: { version: 'v1' }, ...fields });
    const has = (address: string) => compiled(mesh).addresses.includes(`${address}:9080`);
    expect(isDirty(mesh.workloads.set(d({ ready: false })))).toBe(true);
    expect(has('10.244.0.4')).toBe(false);
    expect(isDirty(mesh.workloads.set(d({ ready: true })))).toBe(true);
    expect(has('10.244.0.4')).toBe(true);
    expect(isDirty(mesh.workloads.set(d({ labels: { version: 'v2' } })))).toBe(true);
    expect(has('10.244.0.4')).toBe(false);
    expect(isDirty(mesh.workloads.set(d({ labels: { version: 'v2' }, ready: false })))).toBe(false);
    expect(isDirty(mesh.workloads.delete('a'))).toBe(true);
    expect(has('10.244.0.1')).toBe(false);
    expect(isDirty(mesh.xBackends.set(anXBackend({ port: { number: 81 } })))).toBe(true);
    expect(compiled(mesh).addresses).toEqual(['10.244.0.2:81']);
  });

  test('keeps sessions as it says, in the words of 1.7', () => {
    const mesh = shop();
    expect(compiled(mesh).session).toBeUndefined();
    mesh.xBackends.set(anXBackend({ sessionPersistence: { type: 'Header', header: { name: 'x-cart' } } }));
    expect(compiled(mesh).session).toMatchObject({ carrier: 'header', name: 'x-cart' });
  });

  test('is told for each Service whose routes send to it', () => {
    const mesh = shop();
    const accepted = { status: 'True', reason: 'Accepted' };
    expect(judgeXBackend(mesh, anXBackend())).toMatchObject([{ ancestor: 'shop/reviews', accepted }]);
    expect(judgeRoute(mesh, mesh.routeNamed('HTTPRoute shop/r')!)[0]!.resolvedRefs.status).toBe('True');
    expect(xBackendsAbout(mesh, mesh.routes.delete('shop/r')).map(({ name }) => name)).toEqual(['pods']);
    expect(judgeXBackend(mesh, anXBackend())).toEqual([]);
  });
});

test.each([
  ['spec.type', { type: 'ExternalHostname', externalHostname: { hostname: 'a.example.org' } }],
  ['spec.type', { type: 'ExternalHostname', port: { name: 'a', port: 80 } }],
  ['spec.endpointSelector.matchLabels', { endpointSelector: {} }],
  ['spec.port.number', { port: {} }],
  ['spec.protocol', { protocol: 'H2C' }],
  ['spec.tls.mode', { tls: { mode: 'ServerOnly' } }],
  ['spec.sessionPersistence.idleTimeout', { sessionPersistence: { idleTimeout: '1h' } }],
])('%s of %j is refused, and nothing is sent there', (field, spec) => {
  const mesh = shop();
  const backend = anXBackend(spec);
  mesh.xBackends.set(backend);
  expect(compiled(mesh)).toMatchObject({ invalid: expect.stringContaining(field), addresses: [] });
  expect(judgeXBackend(mesh, backend)[0]!.accepted).toMatchObject({
    status: 'False',
    reason: 'UnsupportedValue',
    message: expect.stringContaining(field),
  });
  const [verdict] = judgeRoute(mesh, mesh.routeNamed('HTTPRoute shop/r')!);
  expect(verdict!.resolvedRefs).toMatchObject({ status: 'False', reason: 'UnsupportedValue' });
});

test.each([
  ['that is not there', { ...REF, name: 'gone' }, 'BackendNotFound'],
  ['with a port', { ...REF, port: 8080 }, 'UnsupportedValue'],
  ['of another namespace', { ...REF, namespace: 'other' }, 'RefNotPermitted'],
])('a reference to an XBackend %s leads nowhere', (_, ref, reason) => {
  const mesh = shop(ref);
  expect(compiled(mesh).invalid).toBeDefined();
  const [verdict] = judgeRoute(mesh, mesh.routeNamed('HTTPRoute shop/r')!);
  expect(verdict!.resolvedRefs).toMatchObject({ status: 'False', reason });
});

test('an object of another shape is no XBackend', () => {
  expect(toXBackend({ metadata: { name: 'a' }, spec: { port: 80 } })).toBeUndefined();
});
