import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { AUTHORITY_PEM, CONFIG_MAP, aBackendTlsPolicy, aCaBundle } from '../../testing/backend-tls.js';
import { aRoute } from '../../testing/gateway-routes.js';
import { aMesh, aPort, aService, aWorkload, anAddress, anEndpointSet } from '../../testing/mesh.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { BUDGET } from '../words/budget.js';
import type { BackendTls } from '../words/destination.js';
import type { ServicePort } from '../words/service.js';
import { systemAuthorities } from '../words/system-authorities.js';
import { backendTlsBytes } from './compile-backend-tls.js';
import { compileDestination } from './compile-destination.js';

const DER = Buffer.from(AUTHORITY_PEM.split('\n').slice(1, -2).join(''), 'base64');
const NAMED = { kind: 'service', service: 'shop/ratings', port: 443 } as const;

/** Service shop/ratings at port 443 with one server outside the mesh, and ConfigMap shop/ca. */
function shop(port: Partial<ServicePort> = {}): MeshTables {
  const mesh = aMesh();
  const name = port.name ?? 'web';
  const ports = [aPort({ port: 443, ...port, name }), aPort({ name: 'plain', port: 80 })];
  mesh.services.set(aService({ name: 'ratings', ports }));
  mesh.endpointSets.set(
    anEndpointSet([anAddress('203.0.113.5')], {
      name: 'ratings-1',
      service: 'shop/ratings',
      ports: [
        { name, port: 8443, protocol: 'TCP' },
        { name: 'plain', port: 8080, protocol: 'TCP' },
      ],
    }),
  );
  mesh.caBundles.set(aCaBundle());
  return mesh;
}

/** What a policy with the public authorities demands. */
function publicTls(serverName: string): BackendTls {
  const authorities = systemAuthorities();
  return { policy: 'shop/p', serverName, dnsNames: [], uris: [], authorities };
}

const compiled = (mesh: MeshTables, ref: Parameters<typeof compileDestination>[1] = NAMED) =>
  compileDestination(mesh, ref, 'shop')!;

describe('what a BackendTLSPolicy makes callers demand', () => {
  test('is TLS with its names and certificates, of a feature that old proxies reject', () => {
    const mesh = shop();
    expect(compiled(mesh).destination).toMatchObject({ criticalFeatures: [] });
    expect(compiled(mesh).destination.tls).toBeUndefined();
    const dirty = mesh.backendTlsPolicies.set(aBackendTlsPolicy('p'));
    const { destination, sources, depends } = compiled(mesh);
    expect(depends.some((key) => dirty.has(key))).toBe(true);
    expect(sources.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['BackendTLSPolicy p']);
    expect(destination.criticalFeatures).toEqual(['backend.tls']);
    expect(destination.backends).toMatchObject([{ name: 'shop/ratings:443', endpoints: [0], tls: 0 }]);
    expect(destination.tls).toEqual([
      {
        policy: 'shop/p',
        serverName: 'ratings.example.org',
        dnsNames: [],
        uris: [],
        authorities: [new Uint8Array(DER)],
      },
    ]);
  });

  test('has the other names, of each kind', () => {
    const subjectAltNames = [
      { type: 'Hostname', hostname: '*.example.org' },
      { type: 'URI', uri: 'spiffe://corp/ratings' },
    ];
    const mesh = shop();
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p', { validation: { ...CONFIG_MAP, subjectAltNames } }));
    expect(compiled(mesh).destination.tls).toMatchObject([
      { dnsNames: ['*.example.org'], uris: ['spiffe://corp/ratings'] },
    ]);
  });

  test('follows its ConfigMap, and refuses while it cannot be read', () => {
    const mesh = shop();
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p'));
    const both = `${AUTHORITY_PEM}${AUTHORITY_PEM}`;
    const changes: readonly [() => ReadonlySet<string>, number, unknown][] = [
      [() => mesh.caBundles.set(aCaBundle('ca', both)), 2, undefined],
      [() => mesh.caBundles.set(aCaBundle('ca', 'garbage')), 0, expect.stringContaining('no certificate')],
      [() => mesh.caBundles.set(aCaBundle()), 1, undefined],
      [() => mesh.caBundles.delete('shop/ca'), 0, expect.stringContaining('does not exist')],
    ];
    for (const [change, count, refused] of changes) {
      const { depends } = compiled(mesh);
      const dirty = change();
      expect(depends.some((key) => dirty.has(key))).toBe(true);
      const [tls] = compiled(mesh).destination.tls!;
      expect(tls!.authorities).toHaveLength(count);
      expect(tls!.refused).toEqual(refused);
    }
  });

  test('trusts the public authorities where it says System, which all policies share', () => {
    const mesh = shop();
    const validation = { wellKnownCACertificates: 'System' };
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p', { validation }));
    const [tls] = compiled(mesh).destination.tls!;
    expect(tls!.refused).toBeUndefined();
    const found = tls!.authorities.map((der) => new X509Certificate(der));
    expect(found.length).toBeGreaterThan(100);
    expect(found.every(({ ca }) => ca)).toBe(true);
    expect(found.some(({ subject }) => subject.includes('ISRG Root X1'))).toBe(true);
    // Plain copies of it for each destination would be the largest thing in memory.
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('q', { section: 'plain', validation }));
    const [other] = compiled(mesh, { ...NAMED, port: 80 }).destination.tls!;
    expect(other!.policy).toBe('shop/q');
    expect(other!.authorities).toBe(tls!.authorities);
  });

  test('trusts the public authorities for three servers of a destination at least, which a proxy accepts', () => {
    expect(3 * backendTlsBytes(publicTls('ratings.example.org'))).toBeLessThanOrEqual(BUDGET.tlsBytes);
  });

  test('of one that names a port is about that port only', () => {
    const mesh = shop();
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p', { section: 'web' }));
    expect(compiled(mesh).destination.tls).toHaveLength(1);
    expect(compiled(mesh, { ...NAMED, port: 80 }).destination.tls).toBeUndefined();
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('all'));
    expect(compiled(mesh).destination.tls).toMatchObject([{ policy: 'shop/p' }]);
    expect(compiled(mesh, { ...NAMED, port: 80 }).destination.tls).toMatchObject([{ policy: 'shop/all' }]);
  });

  test('holds wherever a route sends requests there', () => {
    const mesh = shop();
    mesh.services.set(aService());
    mesh.routes.set(aRoute('http', [{ backendRefs: [{ name: 'ratings', port: 443 }] }]));
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p'));
    const reviews = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
    const { destination } = compiled(mesh, reviews);
    expect(destination.backends[0]).toMatchObject({ name: 'shop/ratings:443', tls: 0 });
    expect(destination.tls).toMatchObject([{ policy: 'shop/p' }]);
  });

  test('is nothing of pods with a proxy, which prove who they are to the mesh', () => {
    const mesh = shop();
    mesh.workloads.set(aWorkload('r', '203.0.113.5'));
    mesh.endpointSets.set({
      ...mesh.endpointSetsOf('shop/ratings')[0]!,
      addresses: [anAddress('203.0.113.5', 'r')],
    });
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p'));
    const { destination } = compiled(mesh);
    expect(destination.endpoints).toMatchObject([{ identity: expect.any(String) }]);
    expect([destination.tls, destination.criticalFeatures]).toEqual([undefined, []]);
    // One server beside them without a proxy is enough.
    mesh.endpointSets.set({
      ...mesh.endpointSetsOf('shop/ratings')[0]!,
      addresses: [anAddress('203.0.113.5', 'r'), anAddress('203.0.113.6')],
    });
    expect(compiled(mesh).destination.backends).toMatchObject([{ endpoints: [0, 1], tls: 0 }]);
  });

  test.each([
    [{ appProtocol: 'https' }, 'unknown', 'opaque'],
    [{ appProtocol: 'kubernetes.io/wss' }, 'unknown', 'opaque'],
    [{ name: 'https-web' }, 'unknown', 'opaque'],
    [{ appProtocol: 'tls' }, 'opaque', 'opaque'],
    [{ appProtocol: 'kubernetes.io/h2c' }, 'http2', 'http2'],
    [{ appProtocol: 'http' }, 'http1', 'http1'],
    [{}, 'unknown', 'unknown'],
  ])('finds HTTP inside of TLS on port %o', (port, inside, without) => {
    const mesh = shop(port);
    expect(compiled(mesh).destination.protocol).toBe(without);
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('p'));
    expect(compiled(mesh).destination.protocol).toBe(inside);
  });

  test('is bounded for all backends of a destination together', () => {
    const mesh = aMesh();
    mesh.services.set(aService());
    const large = AUTHORITY_PEM.repeat(Math.floor((250 * 1024) / DER.length));
    for (const [index, name] of ['a', 'b', 'c'].entries()) {
      mesh.services.set(aService({ name, clusterIPs: [`10.96.1.${index}`] }));
      mesh.endpointSets.set(
        anEndpointSet([anAddress(`203.0.113.${index}`)], { name, service: `shop/${name}` }),
      );
      mesh.caBundles.set(aCaBundle('ca', large));
      mesh.backendTlsPolicies.set(aBackendTlsPolicy(name, { target: name }));
    }
    const backendRefs = ['a', 'b', 'c'].map((name) => ({ name, port: 8080 }));
    mesh.routes.set(aRoute('http', [{ backendRefs }]));
    const { destination } = compiled(mesh, { kind: 'service', service: 'shop/reviews', port: 8080 });
    expect(destination.tls!.map(({ refused }) => refused)).toEqual([
      undefined,
      undefined,
      expect.stringContaining('more than 524288 bytes'),
    ]);
    expect(destination.tls![2]!.authorities).toEqual([]);
  });
});
