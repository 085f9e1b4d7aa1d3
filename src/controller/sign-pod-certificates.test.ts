import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Metrics, createLogger, watched, type Settable } from '../base/index.js';
import type { IssuerMaterial } from '../identity/index.js';
import { connectPlain, createQueueMetrics, type KubeClient } from '../kube/index.js';
import { ApiServer, untilPasses, type StoredObject } from '../testing/index.js';
import { brokenRules } from '../testing/pod-certificate-rules.js';
import { testCa, type TestCa } from '../testing/test-ca.js';
import { testCsr, type TestCsr } from '../testing/test-csr.js';
import { createClusterView, type ClusterView } from './cluster-view.js';
import { signPodCertificates } from './sign-pod-certificates.js';

const REQUESTS = '/apis/certificates.k8s.io/v1/podcertificaterequests';
const PODS = '/api/v1/pods';
const FOLLOWED = ['podCertificateRequests', 'pods', 'nodes', 'namespaces'] as const;

let server: ApiServer;
let client: KubeClient;
let ca: TestCa;
let issuer: Settable<IssuerMaterial | undefined>;
let metrics: Metrics;
let lines: Record<string, unknown>[];
let ends: { stop: AbortController; ended: Promise<unknown> }[];

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  ca = await testCa();
  issuer = watched<IssuerMaterial | undefined>(ca.issuer);
  [lines, ends] = [[], []];
  for (const name of ['shop', 'elsewhere', 'weft-system']) {
    const labels = name === 'elsewhere' ? { 'weft.dev/rev': 'canary' } : {};
    server.put('/api/v1/namespaces', { metadata: { name, labels } });
  }
  server.put('/api/v1/nodes', { metadata: { name: 'node-1', uid: 'node-uid' } });
  putPod({});
});

afterEach(async () => {
  for (const { stop } of ends) stop.abort();
  await Promise.all(ends.map(({ ended }) => ended));
  client.close();
  await server.stop();
});

interface PodOver {
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly spec?: object;
}

function putPod({ name = 'web-1', namespace = 'shop', uid = 'pod-uid', spec = {} }: PodOver): void {
  const usual = { serviceAccountName: 'web', nodeName: 'node-1', containers: [{ name: 'app' }] };
  server.put(PODS, {
    metadata: { name, namespace, uid },
    spec: { ...usual, ...spec },
    status: { phase: 'Pending' },
  });
}

/** As the kubelet asks, with an empty PKCS#10, unless told otherwise. */
async function ask(name: string, spec: object = {}, csr: TestCsr = {}, namespace = 'shop'): Promise<void> {
  server.put(REQUESTS, {
    metadata: { name, namespace },
    spec: {
      signerName: 'weft.dev/workload',
      podName: 'web-1',
      podUID: 'pod-uid',
      serviceAccountName: 'web',
      serviceAccountUID: 'account-uid',
      nodeName: 'node-1',
      nodeUID: 'node-uid',
      maxExpirationSeconds: 86_400,
      stubPKCS10Request: Buffer.from(await testCsr(csr)).toString('base64'),
      ...spec,
    },
  });
}

/** A replica that leads, with caches of its own. */
function lead(revision = 'default'): { view: ClusterView; stop: AbortController } {
  const log = createLogger({
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const at = { systemNamespace: 'weft-system', revision };
  metrics = new Metrics();
  const view = createClusterView({ client, ...at, log, metrics });
  const stop = new AbortController();
  const queueMetrics = createQueueMetrics(metrics);
  const signing = signPodCertificates(
    { client, view, issuer, trustDomain: 'cluster.local', ...at, log, metrics, queueMetrics, againMs: 20 },
    stop.signal,
  );
  const informers = FOLLOWED.map(async (kind) => view[kind].run(stop.signal));
  ends.push({ stop, ended: Promise.all([signing, ...informers]) });
  return { view, stop };
}

const stored = (name: string, namespace = 'shop'): StoredObject => server.get(REQUESTS, { namespace, name })!;

interface Status {
  readonly certificateChain: string;
  readonly conditions: readonly {
    readonly type: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

async function decided(name: string): Promise<Status> {
  await untilPasses(() => expect(stored(name)['status']).toBeDefined());
  expect(await brokenRules(stored(name))).toEqual([]);
  return stored(name)['status'] as Status;
}

const statusWrites = (): number => server.requests.filter(({ path }) => path.endsWith('/status')).length;

describe('what is issued', () => {
  test('is what the CSR port issues, by the rules of the API server, audited and counted', async () => {
    lead();
    await ask('req-1');
    const { certificateChain, conditions } = await decided('req-1');
    const leaf = new X509Certificate(certificateChain);
    expect(leaf.subjectAltName).toBe('URI:spiffe://cluster.local/ns/shop/sa/web');
    expect([leaf.subject, leaf.ca]).toEqual([undefined, false]);
    expect(leaf.verify(new X509Certificate(ca.issuer.chain).publicKey)).toBe(true);
    expect(certificateChain.endsWith(ca.issuer.chain)).toBe(true);
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(86_400_000);
    expect(conditions[0]?.message).toBe('to spiffe://cluster.local/ns/shop/sa/web');
    expect(lines.filter(({ msg }) => msg === 'issued a certificate')).toEqual([
      expect.objectContaining({
        identity: 'spiffe://cluster.local/ns/shop/sa/web',
        pod: 'shop/web-1',
        podUid: 'pod-uid',
        node: 'node-1',
        request: 'req-1',
        serial: leaf.serialNumber.toLowerCase(),
      }),
    ]);
    expect(await metrics.text()).toContain('weft_identity_certificates_issued_total 1');
  });

  test.each([
    ['an hour, where no more is asked for', 3_600, 3_600_000],
    ['24 hours, where more is asked for', 7_862_400, 86_400_000],
  ])('lasts %s', async (_what, maxExpirationSeconds, lifeMs) => {
    lead();
    await ask('req-1', { maxExpirationSeconds });
    const leaf = new X509Certificate((await decided('req-1')).certificateChain);
    expect(leaf.validToDate.getTime() - leaf.validFromDate.getTime()).toBe(lifeMs);
  });
});

describe('what is denied for good, in words', () => {
  test.each([
    [
      'a service account that the pod does not have',
      { serviceAccountName: 'admin' },
      {},
      'PodMismatch',
      /runs as shop\/web, not as shop\/admin/,
    ],
    [
      'a node that the pod is not on',
      { nodeName: 'node-2' },
      {},
      'PodMismatch',
      /is on node node-1, not on node-2/,
    ],
    [
      'what the author tells the signer',
      { unverifiedUserAnnotations: { 'a.example/b': 'c' } },
      {},
      'InvalidUnverifiedUserAnnotations',
      /a\.example\/b/,
    ],
    ['a key of another kind', {}, { rsa: true }, 'UnsupportedKeyType', /keyType ECDSAP256/],
    ['a key of another curve', {}, { curve: 'P-384' }, 'UnsupportedKeyType', /keyType ECDSAP256/],
    [
      'another name',
      {},
      { uri: 'spiffe://cluster.local/ns/shop/sa/admin' },
      'CsrName',
      /sa\/admin.*but its pod is .*sa\/web/,
    ],
    ['bytes that are no request', { stubPKCS10Request: 'bm9uZQ==' }, {}, 'CsrInvalid', /PKCS#10/],
  ] as const)('%s', async (_what, spec, csr, reason, message) => {
    lead();
    await ask('req-1', spec, csr);
    await untilPasses(() => expect(stored('req-1')['status']).toBeDefined());
    const [condition] = (stored('req-1')['status'] as Status).conditions;
    expect(condition).toMatchObject({ type: 'Denied', reason });
    expect(condition?.message).toMatch(message);
    expect(await brokenRules(stored('req-1'))).toEqual([]);
    expect(await metrics.text()).toMatch(/weft_identity_refusals_total\{reason="[a-z-]+"\} 1/);
  });

  test.each([
    [
      'a pod on the network of its node',
      { name: 'host', uid: 'host-uid', spec: { hostNetwork: true } },
      'HostNetwork',
    ],
    [
      'the identity of the control plane',
      { name: 'host', uid: 'host-uid', namespace: 'weft-system', spec: { serviceAccountName: 'weft' } },
      'ControlPlaneIdentity',
    ],
  ] as const)('%s', async (_what, pod, reason) => {
    putPod(pod);
    lead();
    const { namespace = 'shop', spec } = pod as PodOver & { spec: { serviceAccountName?: string } };
    await ask(
      'req-1',
      { podName: pod.name, podUID: pod.uid, serviceAccountName: spec.serviceAccountName ?? 'web' },
      {},
      namespace,
    );
    await untilPasses(() =>
      expect(stored('req-1', namespace)['status']).toMatchObject({
        conditions: [{ type: 'Denied', reason }],
      }),
    );
  });
});

describe('what may pass is waited for, because the kubelet never asks again for a pod that was denied', () => {
  test.each([
    [
      'a pod that is not seen yet',
      () => server.remove(PODS, { namespace: 'shop', name: 'web-1' }),
      () => putPod({}),
    ],
    ['the next pod of a name', () => putPod({ uid: 'former' }), () => putPod({})],
    ['a pod whose node is not known yet', () => putPod({ spec: { nodeName: '' } }), () => putPod({})],
    [
      'another node of the name, because our watch of nodes may be the one that lags',
      () => server.put('/api/v1/nodes', { metadata: { name: 'node-1', uid: 'former' } }),
      () => server.put('/api/v1/nodes', { metadata: { name: 'node-1', uid: 'node-uid' } }),
    ],
    ['an issuer that is not made yet', () => issuer.set(undefined), () => issuer.set(ca.issuer)],
  ] as const)('%s', async (_what, before, after) => {
    before();
    lead();
    await ask('req-1');
    await untilPasses(() => expect(lines.some(({ msg }) => msg === 'refused a certificate')).toBe(true));
    expect(stored('req-1')['status']).toBeUndefined();
    after();
    expect((await decided('req-1')).conditions[0]?.type).toBe('Issued');
  });

  test('an issuer that ends within the hour', async () => {
    issuer.set((await testCa('cluster.local', Date.now() - 365 * 86_400_000 + 1_800_000)).issuer);
    lead();
    await ask('req-1');
    await untilPasses(() =>
      expect(lines.some(({ why }) => String(why).includes('must be renewed'))).toBe(true),
    );
    expect(stored('req-1')['status']).toBeUndefined();
  });

  test('while it waits it is counted once for each reason, and not at every look', async () => {
    issuer.set(undefined);
    lead();
    await ask('req-1');
    await untilPasses(async () => expect(await looks()).toBeGreaterThan(4));
    server.remove(PODS, { namespace: 'shop', name: 'web-1' });
    await untilPasses(async () => expect(await refusals()).toHaveLength(2));
    const before = await looks();
    await untilPasses(async () => expect(await looks()).toBeGreaterThan(before + 3));
    expect(await refusals()).toEqual([1, 1]);
  });

  const counts = async (pattern: RegExp): Promise<number[]> =>
    [...(await metrics.text()).matchAll(pattern)].map(([, count]) => Number(count));
  const refusals = async (): Promise<number[]> =>
    counts(/^weft_identity_refusals_total\{reason="[a-z-]+"\} (\d+)$/gm);
  const looks = async (): Promise<number> =>
    (await counts(/^weft_queue_reconciles_total\{queue="pod-certificate",result="[a-z]+"\} (\d+)$/gm))[0] ??
    0;
});

test('a leader that comes later takes up what is pending, and writes nothing twice', async () => {
  const first = lead();
  await ask('req-1');
  const before = await decided('req-1');
  first.stop.abort();
  await ends[0]?.ended;
  await ask('req-2');
  lead();
  await decided('req-2');
  expect(stored('req-1')['status']).toEqual(before);
  expect(statusWrites()).toBe(2);
});

test('of two that believe to lead one issues', async () => {
  lead();
  lead();
  for (let n = 0; n < 8; n++) await ask(`req-${n}`);
  for (let n = 0; n < 8; n++) await decided(`req-${n}`);
  expect(lines.filter(({ msg }) => msg === 'issued a certificate')).toHaveLength(8);
});

test.each<[string, object]>([
  ['default', {}],
  ['canary', { 'weft.dev/rev': 'canary' }],
])(
  'revision %s decides about a request that came before its namespace when it knows whose that is',
  async (revision, labels) => {
    putPod({ namespace: 'late' });
    await ask('req-1', {}, {}, 'late');
    const { view } = lead(revision);
    await untilPasses(() => expect(view.podCertificateRequests.store.size).toBe(1));
    await ask('req-2', {}, {}, 'shop');
    if (revision === 'default') await decided('req-2'); // after the one that waits
    expect(stored('req-1', 'late')['status']).toBeUndefined();
    server.put('/api/v1/namespaces', { metadata: { name: 'late', labels } });
    await untilPasses(() =>
      expect(stored('req-1', 'late')['status']).toMatchObject({ conditions: [{ type: 'Issued' }] }),
    );
  },
);

test('those of other signers and other revisions are left alone', async () => {
  const { view } = lead();
  await ask('foreign', { signerName: 'example.com/other' });
  await ask('canary', {}, {}, 'elsewhere');
  await ask('req-1');
  await decided('req-1');
  expect([stored('foreign')['status'], stored('canary', 'elsewhere')['status']]).toEqual([
    undefined,
    undefined,
  ]);
  expect([...view.podCertificateRequests.store.values()].map(({ metadata }) => metadata.name)).not.toContain(
    'foreign',
  );
});
