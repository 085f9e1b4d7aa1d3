import { describe, expect, test } from '@jest/globals';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPort, aService, aShop } from '../../testing/mesh.js';
import { compileDestination } from '../compile/compile-destination.js';
import { toBackendTlsPolicy } from '../read/gateway-api/to-backend-tls-policy.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import { backendTlsPoliciesAbout, judgeBackendTlsPolicy } from './judge-backend-tls-policy.js';
import { judgeRoute } from './judge-route.js';

const CONFIG_MAP = { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] };
const BUNDLE = {
  caCertificateRefs: [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'b' }],
};
const SYSTEM = { wellKnownCACertificates: 'System' };

function aTlsPolicy(
  name: string,
  {
    section,
    validation = CONFIG_MAP,
    createdAt = '2026-01-01T00:00:00Z',
  }: {
    section?: string;
    validation?: object;
    createdAt?: string;
  } = {},
) {
  const target = { group: '', kind: 'Service', name: 'ratings' };
  return toBackendTlsPolicy({
    metadata: { name, namespace: 'shop', uid: name, generation: 1, creationTimestamp: createdAt },
    spec: {
      targetRefs: [{ ...target, ...(section === undefined ? {} : { sectionName: section }) }],
      validation: { ...validation, hostname: 'ratings.example.org' },
    },
  })!;
}

const PORTS = [aPort({ name: 'https', port: 443 }), aPort({ name: 'http', port: 80 })];
const to = (port: number) => [{ backendRefs: [{ name: 'ratings', port }] }];

/** shop/reviews, whose HTTPRoute sends requests to both ports of shop/ratings by paths. */
function shop(): MeshTables {
  const mesh = aShop();
  mesh.services.set(aService({ name: 'ratings', clusterIPs: ['10.96.0.9'], ports: PORTS }));
  mesh.routes.set(aRoute('http', to(80)));
  mesh.routes.set(aRoute('https', [{ ...to(443)[0], matches: [{ path: { value: '/x' } }] }]));
  return mesh;
}

/** Why nothing is sent to the backends, by their names. */
function invalid(mesh: MeshTables): Readonly<Record<string, string | undefined>> {
  const ref = { kind: 'service', service: 'shop/reviews', port: 8080 } as const;
  const { backends } = compileDestination(mesh, ref, 'shop')!.destination;
  return Object.fromEntries(
    backends
      .filter(({ name }) => name.startsWith('shop/ratings'))
      .map(({ name, ...rest }) => [name, rest.invalid]),
  );
}

const words = (mesh: MeshTables, policy: ReturnType<typeof aTlsPolicy>) =>
  judgeBackendTlsPolicy(mesh, policy).map(({ ancestor, accepted, resolvedRefs }) => [
    ancestor,
    `${accepted.status} ${accepted.reason}`,
    `${resolvedRefs.status} ${resolvedRefs.reason}`,
  ]);

describe('a BackendTLSPolicy on a backend of a route', () => {
  test.each([
    ['a ConfigMap', CONFIG_MAP, 'False NoValidCACertificate', 'False InvalidKind'],
    ['a ClusterTrustBundle', BUNDLE, 'False NoValidCACertificate', 'False InvalidKind'],
    ['the CAs of the system', SYSTEM, 'False Invalid', 'True ResolvedRefs'],
  ])('that trusts %s: nothing is sent there, and the status says so', (_, validation, accepted, refs) => {
    const mesh = shop();
    expect(invalid(mesh)).toEqual({ 'shop/ratings:80': undefined, 'shop/ratings:443': undefined });
    const policy = aTlsPolicy('p', { validation });
    mesh.backendTlsPolicies.set(policy);
    const why = expect.stringContaining('BackendTLSPolicy shop/p demands TLS');
    expect(invalid(mesh)).toEqual({ 'shop/ratings:80': why, 'shop/ratings:443': why });
    expect(words(mesh, policy)).toEqual([['shop/reviews', accepted, refs]]);
    const [verdict] = judgeRoute(mesh, mesh.routeNamed('HTTPRoute shop/http')!);
    expect(verdict!.resolvedRefs).toMatchObject({ status: 'False', reason: 'UnsupportedProtocol' });
    mesh.backendTlsPolicies.delete('p');
    expect(invalid(mesh)).toEqual({ 'shop/ratings:80': undefined, 'shop/ratings:443': undefined });
  });

  test('that names a port is about that port only', () => {
    const mesh = shop();
    mesh.backendTlsPolicies.set(aTlsPolicy('p', { section: 'https' }));
    expect(invalid(mesh)).toEqual({
      'shop/ratings:80': undefined,
      'shop/ratings:443': expect.stringContaining('shop/p'),
    });
  });

  test('leaves connections alone, which have the TLS of their callers', () => {
    const mesh = shop();
    mesh.services.set(aService({ ports: [aPort({ name: 'tcp' })] }));
    for (const name of ['http', 'https']) mesh.routes.delete(`shop/${name}`);
    mesh.routes.set(aRoute('tcp', to(443), { kind: 'TCPRoute' }));
    const policy = aTlsPolicy('p');
    mesh.backendTlsPolicies.set(policy);
    expect(invalid(mesh)).toEqual({ 'shop/ratings:443': undefined });
    expect(words(mesh, policy)).toEqual([]);
  });

  test('loses to an older one on the same target, but not to one on a port', () => {
    const mesh = shop();
    const younger = aTlsPolicy('younger', { createdAt: '2026-02-01T00:00:00Z' });
    for (const policy of [younger, aTlsPolicy('port', { section: 'https' })])
      mesh.backendTlsPolicies.set(policy);
    expect(words(mesh, younger)[0]![1]).toBe('False NoValidCACertificate');
    mesh.backendTlsPolicies.set(aTlsPolicy('older'));
    expect(words(mesh, younger)[0]![1]).toBe('False Conflicted');
    expect(invalid(mesh)['shop/ratings:443']).toContain('shop/port');
    expect(invalid(mesh)['shop/ratings:80']).toContain('shop/older');
  });

  test('is judged again when a route begins or ends to send requests there', () => {
    const mesh = shop();
    mesh.backendTlsPolicies.set(aTlsPolicy('p'));
    const about = (dirty: Parameters<typeof backendTlsPoliciesAbout>[1]) =>
      backendTlsPoliciesAbout(mesh, dirty).map(({ name }) => name);
    expect(about(mesh.routes.delete('shop/http'))).toEqual(['p']);
    expect(about(mesh.routes.set(aRoute('http', to(80))))).toEqual(['p']);
  });
});

test('an object of another shape is no policy', () => {
  expect(toBackendTlsPolicy({ metadata: { name: 'p' }, spec: {} })).toBeUndefined();
});
