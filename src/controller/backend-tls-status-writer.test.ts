import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { compileBackendTls } from '../model/index.js';
import { ApiServer } from '../testing/api-server.js';
import { AUTHORITY_PEM, backendTlsObject } from '../testing/backend-tls.js';
import { untilPasses } from '../testing/until-passes.js';
import type { Collector } from './collector.js';
import { keepStatuses } from './statuses.fixture.js';

const POLICIES = '/apis/gateway.networking.k8s.io/v1/backendtlspolicies';
const MAPS = '/api/v1/configmaps';
const TRUST_BUNDLES = '/apis/certificates.k8s.io/v1/clustertrustbundles';
const others = {
  ancestorRef: { kind: 'Gateway', name: 'edge' },
  controllerName: 'example.net/gateway',
  conditions: [{ type: 'Accepted', status: 'True' }],
};

let server: ApiServer;
let collector: Collector;
let stop: AbortController;
let running: Promise<unknown>;

beforeEach(async () => {
  server = await ApiServer.start();
  stop = new AbortController();
  server.put('/api/v1/services', {
    metadata: { name: 'ratings', namespace: 'shop' },
    spec: { type: 'ClusterIP', clusterIPs: ['10.96.0.9'], ports: [{ port: 443 }] },
  });
  const kinds = [
    'services',
    'backendTlsPolicies',
    'externalServices',
    'caBundles',
    'clusterTrustBundles',
  ] as const;
  ({ collector, running } = keepStatuses(server, kinds, stop.signal));
});

afterEach(async () => {
  stop.abort();
  await running;
  await server.stop();
});

/** What the policies make callers demand. */
const compiled = () =>
  [...collector.mesh.backendTlsPolicies.values()].map((policy) => compileBackendTls(collector.mesh, policy));

const statusOf = (name: string) =>
  server.get(POLICIES, { namespace: 'shop', name })?.['status'] as { ancestors?: unknown[] } | undefined;

/** Our entry, with these two conditions. */
function ours(accepted: object, resolvedRefs: object): object {
  return {
    ancestorRef: { group: '', kind: 'Service', namespace: 'shop', name: 'ratings' },
    controllerName: 'weft.dev/mesh-controller',
    conditions: [
      expect.objectContaining({ type: 'Accepted', observedGeneration: 1, ...accepted }),
      expect.objectContaining({ type: 'ResolvedRefs', observedGeneration: 1, ...resolvedRefs }),
    ],
  };
}

const GOOD = ours({ status: 'True', reason: 'Accepted' }, { status: 'True', reason: 'ResolvedRefs' });
const BAD = ours(
  { status: 'False', reason: 'NoValidCACertificate' },
  { status: 'False', reason: 'InvalidCACertificateRef' },
);

function putMap(data: Readonly<Record<string, string>>): void {
  server.put(MAPS, { metadata: { name: 'ca', namespace: 'shop' }, data });
}

test("follows the ConfigMap that it names, beside other controllers' entries", async () => {
  server.put(POLICIES, { ...backendTlsObject('p'), status: { ancestors: [others] } });
  const told = (entry: object) =>
    untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([others, entry]));
  await told(BAD);
  putMap({ 'ca.crt': AUTHORITY_PEM });
  await told(GOOD);
  expect(collector.mesh.caBundles.get('shop/ca')?.pem).toBe(AUTHORITY_PEM);
  putMap({ 'ca.pem': AUTHORITY_PEM });
  await told(BAD);
  expect(collector.mesh.caBundles.size).toBe(0);
  putMap({ 'ca.crt': AUTHORITY_PEM });
  await told(GOOD);
  server.remove(MAPS, { namespace: 'shop', name: 'ca' });
  await told(BAD);
});

test('follows the ClusterTrustBundle that it names', async () => {
  const named = [{ group: 'certificates.k8s.io', kind: 'ClusterTrustBundle', name: 'corp' }];
  server.put(POLICIES, backendTlsObject('p', { validation: { caCertificateRefs: named } }));
  const told = (entry: object) => untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([entry]));
  await told(BAD);
  const spec = { signerName: 'example.org/corp', trustBundle: AUTHORITY_PEM };
  server.put(TRUST_BUNDLES, { metadata: { name: 'corp' }, spec });
  await told(GOOD);
  server.put(TRUST_BUNDLES, { metadata: { name: 'corp' }, spec: { trustBundle: 'garbage' } });
  await told(BAD);
  server.put(TRUST_BUNDLES, { metadata: { name: 'corp' }, spec });
  await told(GOOD);
  server.remove(TRUST_BUNDLES, { name: 'corp' });
  await told(BAD);
});

test('reads ConfigMaps where a policy names one, and nowhere else', async () => {
  const listed = () =>
    server.requests.filter(({ path }) => path.endsWith('/configmaps')).map(({ path }) => path);
  const inShop = '/api/v1/namespaces/shop/configmaps';
  server.put(MAPS, { metadata: { name: 'ca', namespace: 'other' }, data: { 'ca.crt': AUTHORITY_PEM } });
  putMap({ 'ca.crt': AUTHORITY_PEM });
  server.put(POLICIES, backendTlsObject('p', { validation: { wellKnownCACertificates: 'System' } }));
  await untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([GOOD]));
  expect(listed()).toEqual([]);
  const watches = server.openWatches;
  // What the policy said before holds until the ConfigMap has been read: no request is refused in between.
  const refusals: unknown[] = [];
  collector.onDirty(() => {
    for (const { tls } of compiled()) refusals.push(tls.refused);
  });
  server.put(POLICIES, backendTlsObject('p', { generation: 2 }));
  await untilPasses(() => expect(compiled()[0]?.tls.authorities).toHaveLength(1));
  expect(refusals.filter((refused) => refused !== undefined)).toEqual([]);
  await untilPasses(() => expect(server.openWatches).toBe(watches + 1));
  expect(new Set(listed())).toEqual(new Set([inShop]));
  server.put(POLICIES, backendTlsObject('q'));
  server.remove(POLICIES, { namespace: 'shop', name: 'p' });
  await untilPasses(() => expect([...collector.mesh.backendTlsPolicies.keys()]).toEqual(['q']));
  expect(collector.mesh.caBundles.size).toBe(1);
  server.remove(POLICIES, { namespace: 'shop', name: 'q' });
  await untilPasses(() => expect(collector.mesh.caBundles.size).toBe(0));
  await untilPasses(() => expect(server.openWatches).toBe(watches));
});

test('refuses in time where the API server keeps the ConfigMaps from us', async () => {
  server.refusing.set('/api/v1/namespaces/shop/configmaps', 403);
  server.put(POLICIES, backendTlsObject('p'));
  await untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([BAD]));
  server.refusing.clear();
  putMap({ 'ca.crt': AUTHORITY_PEM });
  await untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([GOOD]));
});

test('the younger of two on one target is told so', async () => {
  putMap({ 'ca.crt': AUTHORITY_PEM });
  server.put(POLICIES, backendTlsObject('p'));
  server.put(POLICIES, backendTlsObject('first', { createdAt: '2025-01-01T00:00:00Z' }));
  await untilPasses(() => expect(statusOf('first')?.ancestors).toEqual([GOOD]));
  const conflicted = ours({ status: 'False', reason: 'Conflicted' }, { status: 'True' });
  await untilPasses(() => expect(statusOf('p')?.ancestors).toEqual([conflicted]));
});
