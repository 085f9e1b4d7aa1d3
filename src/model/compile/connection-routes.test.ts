import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPolicy, aPort, aService, aShop, anEntry } from '../../testing/mesh.js';
import { compileDestination } from './compile-destination.js';
import type { MeshTables } from '../tables/mesh-tables.js';

const PARENT = { group: '', kind: 'Service', name: 'reviews' };
const ALL = [{ backendRefs: [{ name: 'reviews', port: 8080 }] }];
const PORTS = [
  aPort(),
  aPort({ name: 'redis', port: 6379 }),
  aPort({ name: 'tls', port: 443 }),
  aPort({ name: 'http', port: 80 }),
];

function shop(): MeshTables {
  const mesh = aShop();
  mesh.services.set(aService({ ports: PORTS }));
  return mesh;
}

function compiled(mesh: MeshTables, port: number, consumer = 'shop') {
  const ref = { kind: 'service', service: 'shop/reviews', port } as const;
  const { destination, sources } = compileDestination(mesh, ref, consumer)!;
  return {
    ...destination,
    names: destination.routes.map(({ name }) => name),
    from: sources.map(({ kind, name }) => `${kind} ${name}`),
  };
}

/** For each route what it matches, and the backends with their weights; an exclamation mark where nothing is sent. */
function told({ routes, backends }: ReturnType<typeof compiled>) {
  return routes.map(({ matches, split }) => [
    matches.flatMap(({ serverNames = [] }) => serverNames).join(),
    split
      .map(({ backend, weight }) => {
        const { name, invalid } = backends[backend]!;
        return `${invalid === undefined ? '' : '!'}${name}=${weight}`;
      })
      .join(),
  ]);
}

test('routes for requests on a port that declares them bring no backend of their own', () => {
  const mesh = shop();
  mesh.routes.set(aRoute('http', [{ backendRefs: [{ name: 'gone', port: 1 }] }]));
  expect(compiled(mesh, 80).backends.map(({ name }) => name)).toEqual(['shop/gone:1']);
  expect(compiled(mesh, 8080).backends.map(({ name }) => name)).toEqual(['shop/gone:1', 'shop/reviews:8080']);
});

describe('TCPRoute', () => {
  test('takes every connection of ports that carry bytes, by weight, and turns an undeclared port into one', () => {
    const mesh = shop();
    const backendRefs = [
      { name: 'reviews', port: 8080, weight: 9 },
      { name: 'gone', port: 1, weight: 1 },
    ];
    mesh.routes.set(aRoute('r', [{ backendRefs }], { kind: 'TCPRoute' }));
    for (const port of [8080, 6379, 443]) {
      const destination = compiled(mesh, port);
      expect(destination.protocol).toBe('opaque');
      expect(told(destination)).toEqual([['', 'shop/reviews:8080=9,!shop/gone:1=1']]);
      expect(destination.from).toEqual(['TCPRoute r']);
    }
    const http = compiled(mesh, 80);
    expect([http.protocol, http.names, http.from]).toEqual(['http1', ['default'], []]);
  });

  test('the oldest of several has the port', () => {
    const mesh = shop();
    const fields = { kind: 'TCPRoute', parents: [{ ...PARENT, port: 6379 }] } as const;
    mesh.routes.set(aRoute('a', ALL, { ...fields, createdAt: '2026-02-01T00:00:00Z' }));
    mesh.routes.set(aRoute('b', ALL, fields));
    expect(compiled(mesh, 6379).names[0]).toBe('b/rule-0');
    mesh.routes.delete('shop/b');
    expect(compiled(mesh, 6379).names[0]).toBe('a/rule-0');
  });

  test("a consumer's replaces the producer's, and both a TrafficPolicy's", () => {
    const mesh = shop();
    const routes = [{ name: 'policy', matches: [], split: [anEntry({ labels: { version: 'v1' } })] }];
    mesh.policies.set(aPolicy('p', { routes }));
    expect(compiled(mesh, 6379).names).toEqual(['policy']);
    mesh.routes.set(aRoute('producer', ALL, { kind: 'TCPRoute' }));
    mesh.routes.set(
      aRoute('own', ALL, { kind: 'TCPRoute', namespace: 'web', parents: [{ ...PARENT, namespace: 'shop' }] }),
    );
    expect(compiled(mesh, 6379).names).toEqual(['producer/rule-0']);
    expect(compiled(mesh, 6379, 'web').names).toEqual(['own/rule-0']);
  });

  test('a backend in another namespace needs a grant for TCPRoutes', () => {
    const mesh = shop();
    mesh.services.set(aService({ namespace: 'data', clusterIPs: [], ports: [aPort()] }));
    mesh.routes.set(
      aRoute('r', [{ backendRefs: [{ name: 'reviews', namespace: 'data', port: 8080 }] }], {
        kind: 'TCPRoute',
      }),
    );
    const grantTo = (kind: string) => ({
      namespace: 'data',
      name: 'g',
      from: [{ group: 'gateway.networking.k8s.io', kind, namespace: 'shop' }],
      services: 'all' as const,
    });
    mesh.grants.set(grantTo('HTTPRoute'));
    expect(told(compiled(mesh, 6379))).toEqual([['', '!data/reviews:8080=1']]);
    mesh.grants.set(grantTo('TCPRoute'));
    expect(told(compiled(mesh, 6379))).toEqual([['', 'data/reviews:8080=1']]);
  });
});

describe('TLSRoute', () => {
  const named = (name: string, hostnames: readonly string[], createdAt = '2026-01-01T00:00:00Z') =>
    aRoute(name, ALL, { kind: 'TLSRoute', hostnames, createdAt });

  test('on a declared port nothing else gets through; the most specific name decides, then age', () => {
    const mesh = shop();
    mesh.routes.set(named('wild', ['*.example.org']));
    mesh.routes.set(named('late', ['a.example.org', 'b.example.org'], '2026-03-01T00:00:00Z'));
    mesh.routes.set(named('early', ['a.example.org'], '2026-02-01T00:00:00Z'));
    const destination = compiled(mesh, 443);
    expect(destination.protocol).toBe('opaque');
    expect(destination.names).toEqual(['early/rule-0', 'late/rule-0', 'wild/rule-0']);
    expect(told(destination).map(([names]) => names)).toEqual([
      'a.example.org',
      'a.example.org,b.example.org',
      '*.example.org',
    ]);
    expect(destination.criticalFeatures).toContain('route.match.serverNames');
  });

  test('on an undeclared port a foreign name goes nowhere, and what is not TLS where it always went', () => {
    const mesh = shop();
    mesh.routes.set(named('r', ['a.example.org']));
    const destination = compiled(mesh, 8080);
    expect(destination.protocol).toBe('unknown');
    expect(told(destination)).toEqual([
      ['a.example.org', 'shop/reviews:8080=1'],
      ['*', '!shop/reviews:8080=1'],
      ['', 'shop/reviews:8080=1'],
    ]);
  });

  test('of several kinds on one port one acts: GRPC, HTTP, TLS, TCP', () => {
    const mesh = shop();
    mesh.routes.set(aRoute('tcp', ALL, { kind: 'TCPRoute' }));
    mesh.routes.set(named('tls', ['a.example.org']));
    expect(compiled(mesh, 443).from).toEqual(['TLSRoute tls']);
    mesh.routes.set(aRoute('http', ALL));
    expect(compiled(mesh, 443).from).toEqual(['TLSRoute tls']);
    const undeclared = compiled(mesh, 8080);
    expect([undeclared.protocol, undeclared.from]).toEqual(['unknown', ['HTTPRoute http']]);
  });
});
