import { describe, expect, test } from '@jest/globals';
import { aBackendTlsPolicy, aCaBundle } from '../../testing/backend-tls.js';
import { aRoute } from '../../testing/gateway-routes.js';
import { aPort, aService, aShop } from '../../testing/mesh.js';
import { toBackendTlsPolicy } from '../read/gateway-api/to-backend-tls-policy.js';
import type { MeshTables } from '../tables/mesh-tables.js';
import type { BackendTlsPolicy } from '../words/backend-tls-policy.js';
import { backendTlsPoliciesAbout, judgeBackendTlsPolicy } from './judge-backend-tls-policy.js';
import { judgeRoute } from './judge-route.js';

const refs = (...references: readonly object[]) => ({ caCertificateRefs: references });
const map = (name: string) => ({ group: '', kind: 'ConfigMap', name });
const trustBundle = (name: string) => ({ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name });
const SECRET = { group: '', kind: 'Secret', name: 'ca' };
const PORTS = [aPort({ name: 'https', port: 443 }), aPort({ name: 'http', port: 80 })];
const to = (port: number) => [{ backendRefs: [{ name: 'ratings', port }] }];

/** shop/reviews, whose HTTPRoute sends requests to shop/ratings, and ConfigMap shop/ca. */
function shop(...policies: readonly BackendTlsPolicy[]): MeshTables {
  const mesh = aShop();
  mesh.services.set(aService({ name: 'ratings', clusterIPs: ['10.96.0.9'], ports: PORTS }));
  mesh.routes.set(aRoute('http', to(80)));
  mesh.caBundles.set(aCaBundle());
  for (const policy of policies) mesh.backendTlsPolicies.set(policy);
  return mesh;
}

const words = (mesh: MeshTables, policy: BackendTlsPolicy) =>
  judgeBackendTlsPolicy(mesh, policy).map(({ ancestor, accepted, resolvedRefs }) => [
    ancestor,
    `${accepted.status} ${accepted.reason}`,
    `${resolvedRefs.status} ${resolvedRefs.reason}`,
  ]);

describe('the status of a BackendTLSPolicy', () => {
  test.each([
    ['a ConfigMap', refs(map('ca')), 'True Accepted', 'True ResolvedRefs'],
    [
      'a ConfigMap that is not there',
      refs(map('gone')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    [
      'a ConfigMap without a certificate',
      refs(map('empty')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    ['garbage', refs(map('garbage')), 'False NoValidCACertificate', 'False InvalidCACertificateRef'],
    [
      'too many certificates',
      refs(map('large')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    ['a ClusterTrustBundle', refs(trustBundle('corp')), 'True Accepted', 'True ResolvedRefs'],
    [
      'a ClusterTrustBundle that is not there',
      refs(trustBundle('gone')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    [
      'a ClusterTrustBundle of the name of a ConfigMap',
      refs(trustBundle('ca')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    [
      'a ConfigMap of the name of a ClusterTrustBundle',
      refs(map('corp')),
      'False NoValidCACertificate',
      'False InvalidCACertificateRef',
    ],
    [
      'a ClusterTrustBundle of another group',
      refs({ ...trustBundle('corp'), group: 'example.org' }),
      'False NoValidCACertificate',
      'False InvalidKind',
    ],
    ['a Secret', refs(SECRET), 'False NoValidCACertificate', 'False InvalidKind'],
    [
      'one that is there and one that is not',
      refs(map('ca'), map('gone')),
      'True Accepted',
      'False InvalidCACertificateRef',
    ],
    ['the CAs of the system', { wellKnownCACertificates: 'System' }, 'True Accepted', 'True ResolvedRefs'],
    ['those of another list', { wellKnownCACertificates: 'Corp' }, 'False Invalid', 'True ResolvedRefs'],
    [
      'the CAs of the system and a ConfigMap',
      { wellKnownCACertificates: 'System', ...refs(map('ca')) },
      'False Invalid',
      'True ResolvedRefs',
    ],
    ['nothing', {}, 'False NoValidCACertificate', 'True ResolvedRefs'],
  ])('that trusts %s, for its target and the parent of a route to it', (_, trusts, accepted, resolved) => {
    const policy = aBackendTlsPolicy('p', { validation: { caCertificateRefs: [], ...trusts } });
    const mesh = shop(policy);
    mesh.caBundles.set({ ...aCaBundle('corp'), namespace: '' });
    mesh.caBundles.set(aCaBundle('empty', ''));
    const block = '-----BEGIN CERTIFICATE-----\nbm9uZQ==\n-----END CERTIFICATE-----\n';
    mesh.caBundles.set(aCaBundle('garbage', block));
    mesh.caBundles.set(aCaBundle('large', aCaBundle().pem.repeat(800)));
    expect(words(mesh, policy)).toEqual([
      ['shop/ratings', accepted, resolved],
      ['shop/reviews', accepted, resolved],
    ]);
    const [verdict] = judgeRoute(mesh, mesh.routeNamed('HTTPRoute shop/http')!);
    expect(verdict!.resolvedRefs).toMatchObject({ status: 'True', reason: 'ResolvedRefs' });
  });

  test('says what is wrong with which reference, and what happens meanwhile', () => {
    const policy = aBackendTlsPolicy('p', { validation: refs(map('gone'), trustBundle('gone'), SECRET) });
    const [verdict] = judgeBackendTlsPolicy(shop(policy), policy);
    expect(verdict!.resolvedRefs.message).toBe(
      [
        'spec.validation.caCertificateRefs[0]: ConfigMap shop/gone does not exist or has no key ca.crt; create it with certificates as PEM',
        'spec.validation.caCertificateRefs[1]: ClusterTrustBundle gone does not exist, or the API server does not serve ClusterTrustBundles of certificates.k8s.io/v1 (Kubernetes 1.37 and later do); create it, or name a ConfigMap',
        'spec.validation.caCertificateRefs[2]: Secret is not supported; name a ConfigMap that has the certificates under the key ca.crt, or a ClusterTrustBundle',
      ].join('\n'),
    );
    expect(verdict!.accepted.message).toContain('requests are answered with status 503');
  });

  test('loses to an older one on the same target, but not to one on a port', () => {
    const younger = aBackendTlsPolicy('younger', { createdAt: '2026-02-01T00:00:00Z' });
    const mesh = shop(younger, aBackendTlsPolicy('port', { section: 'https' }));
    expect(words(mesh, younger)[0]![1]).toBe('True Accepted');
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('older'));
    const [verdict] = judgeBackendTlsPolicy(mesh, younger);
    expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'Conflicted' });
    expect(verdict!.accepted.message).toContain('BackendTLSPolicy shop/older is older');
    mesh.backendTlsPolicies.delete('older');
    expect(words(mesh, younger)[0]![1]).toBe('True Accepted');
  });

  test.each([
    [{ target: 'gone' }, 'spec.targetRefs[0]: Service shop/gone does not exist'],
    [{ section: 'gone' }, 'spec.targetRefs[0]: Service shop/ratings has no port named gone'],
  ])('whose target is not there: %o', (fields, message) => {
    const policy = aBackendTlsPolicy('p', fields);
    const [verdict] = judgeBackendTlsPolicy(shop(policy), policy);
    expect(verdict!.accepted).toMatchObject({ status: 'False', reason: 'TargetNotFound' });
    expect(verdict!.accepted.message).toContain(message);
  });

  test('is judged again when a route begins or ends to send there, and when certificates change', () => {
    const mesh = shop(aBackendTlsPolicy('p'));
    const about = (dirty: Parameters<typeof backendTlsPoliciesAbout>[1]) =>
      backendTlsPoliciesAbout(mesh, dirty).map(({ name }) => name);
    expect(about(mesh.routes.delete('shop/http'))).toEqual(['p']);
    expect(about(mesh.routes.set(aRoute('http', to(80))))).toEqual(['p']);
    expect(about(mesh.caBundles.delete('shop/ca'))).toEqual(['p']);
    expect(about(mesh.caBundles.set(aCaBundle()))).toEqual(['p']);
    expect(about(mesh.caBundles.set(aCaBundle('other')))).toEqual([]);
    expect(about(mesh.caBundles.set({ ...aCaBundle(), namespace: 'other' }))).toEqual([]);
    expect(about(mesh.caBundles.set({ ...aCaBundle(), namespace: '' }))).toEqual([]);
    mesh.backendTlsPolicies.set(aBackendTlsPolicy('q', { validation: refs(trustBundle('corp')) }));
    expect(about(mesh.caBundles.set({ ...aCaBundle('corp'), namespace: '' }))).toContain('q');
    expect(about(mesh.caBundles.delete('corp'))).toContain('q');
    expect(about(mesh.caBundles.set(aCaBundle('corp')))).toEqual([]);
  });
});

test.each([
  ['no validation', {}],
  [
    'a name of an unknown type',
    { validation: { hostname: 'a', subjectAltNames: [{ type: 'IP', ip: '10.0.0.1' }] } },
  ],
])('an object of another shape is no policy: %s', (_, spec) => {
  expect(toBackendTlsPolicy({ metadata: { name: 'p' }, spec })).toBeUndefined();
});
