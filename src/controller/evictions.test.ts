import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, sleep, watched } from '../base/index.js';
import { connectPlain, evictPod, type KubeClient } from '../kube/index.js';
import { ApiServer, meshContainers, untilPasses } from '../testing/index.js';
import { countAbsences, type Absences } from './absences.js';
import { createClusterView, runClusterView, type ClusterView } from './cluster-view.js';
import { evictUnmeshed, evictionMetrics } from './evictions.js';
import type { WebhookState } from './webhook-keeper.js';

const PODS = '/api/v1/pods';
const log = createLogger({ level: 'silent' });
const settings = { revision: 'default', systemNamespace: 'weft-system' };

let server: ApiServer;
let client: KubeClient;
let abort: AbortController;
let view: ClusterView;
let absences: Absences;
let metrics: Metrics;
const webhook = watched<WebhookState>('in-place');
let running: Promise<unknown>;
/** Names of pods whose eviction was asked for, in order. */
let asked: string[];
/** What the API server answers. */
let answer: number;

interface PodOf {
  readonly owner?: string;
  readonly kind?: string;
  readonly ready?: boolean;
  readonly namespace?: string;
  readonly spec?: object;
  readonly meshed?: boolean;
  readonly createdAt?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
  metrics = new Metrics();
  asked = [];
  answer = 201;
  webhook.set('in-place');
  view = createClusterView({ client, ...settings, log, metrics: new Metrics() });
  absences = countAbsences(metrics, { view, ...settings });
  for (const name of ['shop', 'kube-system'])
    server.put('/api/v1/namespaces', { metadata: { name, labels: { 'weft.dev/inject': 'enabled' } } });
  running = runClusterView(view, { client, log, restart: () => undefined }, abort.signal);
});

afterEach(async () => {
  abort.abort();
  await running;
  client.close();
  await server.stop();
});

/** A pod of a ReplicaSet that is ready and has no proxy, unless told otherwise; its eviction deletes it. */
function pod(name: string, over: PodOf = {}): void {
  const { namespace = 'shop', ready = true, meshed = false, spec = {} } = over;
  const { init, proxy } = meshContainers();
  server.put(PODS, {
    metadata: { name, namespace, uid: name, ...metadataOf(over) },
    spec: meshed ? { initContainers: [init, proxy] } : { containers: [{ name: 'app' }], ...spec },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  });
  server.onPost(`/api/v1/namespaces/${namespace}/pods/${name}/eviction`, (body) => {
    expect(body).toMatchObject({ kind: 'Eviction', deleteOptions: { preconditions: { uid: name } } });
    asked.push(name);
    if (answer === 201) server.remove(PODS, { namespace, name });
    return { status: answer, body: { code: answer, message: 'told so' } };
  });
}

function metadataOf({ owner = 'web', kind = 'ReplicaSet', createdAt, labels = {} }: PodOf): object {
  const reference = { apiVersion: 'apps/v1', kind, name: owner, uid: owner, controller: true };
  return {
    creationTimestamp: createdAt ?? '2026-01-01T00:00:00Z',
    labels,
    ...(owner === '' ? {} : { ownerReferences: [reference] }),
  };
}

async function missing(count: number): Promise<void> {
  await untilPasses(() => expect([...absences.of('missing')]).toHaveLength(count));
}

/** Six thousand a minute, so that a test need not wait; how many evictions fit in a time is the pause's alone. */
function evict({ perMinute = 6_000, heldMs }: { perMinute?: number; heldMs?: number } = {}): void {
  const evicted = evictionMetrics(metrics);
  const options = { client, view, ...settings, absences, webhook, evicted, log, perMinute };
  running = Promise.all([
    running,
    evictUnmeshed({ ...options, ...(heldMs === undefined ? {} : { heldMs }) }, abort.signal),
  ]);
}

/** Some turns of the evictor: one that would act has acted. */
const turns = (): Promise<void> => sleep(300);

test('a pod without a proxy is evicted and its owner told, and the metric counts it', async () => {
  pod('web-1');
  await missing(1);
  evict();
  await untilPasses(() => expect(asked).toEqual(['web-1']));
  await untilPasses(() =>
    expect(server.all('/api/v1/events').map((event) => event['reason'])).toContain('InjectionEvicted'),
  );
  expect(await metrics.text()).toMatch(/weft_pod_evictions_total\{result="evicted"\} 1/);
});

test.each<[string, PodOf]>([
  ['without an owner', { owner: '' }],
  ['of a Job, which would count it as failed', { kind: 'Job' }],
  ['of a node', { kind: 'Node' }],
  ['of an excluded namespace', { namespace: 'kube-system' }],
  ["on its node's network", { spec: { hostNetwork: true } }],
  ['that opted out', { labels: { 'weft.dev/inject': 'disabled' } }],
  ['with its proxy', { meshed: true }],
])('a pod %s stays', async (_what, over) => {
  pod('other', { ...over, ...(over.owner === '' ? {} : { owner: 'other' }) });
  pod('web-1');
  await untilPasses(() => expect(view.pods.store.size).toBe(2));
  await untilPasses(() => expect([...absences.of('missing')]).toContain('shop/web-1'));
  evict();
  // The other one was looked at in the same turns.
  await untilPasses(() => expect(asked).toEqual(['web-1']));
  await turns();
  expect(asked).toEqual(['web-1']);
});

test('of a workload one pod goes at a time, and none while another is not ready', async () => {
  pod('web-1', { meshed: true, ready: false });
  pod('web-2');
  pod('web-3');
  await missing(2);
  evict();
  await turns();
  expect(asked).toEqual([]);
  pod('web-1', { meshed: true });
  await untilPasses(() => expect(asked).toHaveLength(1));
  await turns();
  expect(asked).toHaveLength(1); // the next one after a while, and with all the others ready
});

test('a budget that forbids it is heeded, and others go on', async () => {
  answer = 429;
  pod('web-1');
  pod('api-1', { owner: 'api' });
  await missing(2);
  evict();
  await untilPasses(() => expect(asked.toSorted()).toEqual(['api-1', 'web-1']));
  await turns();
  expect(asked).toHaveLength(2);
  expect(server.all(PODS)).toHaveLength(2);
  expect(await metrics.text()).toMatch(/weft_pod_evictions_total\{result="forbidden-now"\} 2/);
});

test.each<WebhookState>(['faulty', 'unknown'])(
  'nothing is evicted while the webhook is %s: the successor might have no proxy either',
  async (state) => {
    webhook.set(state);
    pod('web-1');
    await missing(1);
    evict();
    await turns();
    expect(asked).toEqual([]);
    webhook.set('in-place');
    await untilPasses(() => expect(asked).toEqual(['web-1']));
  },
);

test('a successor that has no proxy either stays, until the webhook was away again', async () => {
  pod('web-1');
  await missing(1);
  evict({ heldMs: 20 });
  await untilPasses(() => expect(asked).toEqual(['web-1']));
  pod('web-2', { createdAt: '2026-01-01T00:00:09Z' });
  await missing(1);
  await turns();
  expect(asked).toEqual(['web-1']);
  webhook.set('unknown');
  webhook.set('in-place');
  await turns();
  expect(asked).toEqual(['web-1']);
  webhook.set('faulty');
  webhook.set('in-place');
  await untilPasses(() => expect(asked).toEqual(['web-1', 'web-2']));
});

const held = (): unknown[] =>
  server.all('/api/v1/events').filter((event) => event['reason'] === 'InjectionEvictionHeld');
const LATER = '2026-01-01T00:00:09Z';

test('a workload whose successor never comes loses one pod and no more, is told once, and others go on', async () => {
  for (const name of ['web-1', 'web-2', 'web-3']) pod(name);
  await missing(3);
  evict({ heldMs: 20 });
  await untilPasses(() => expect(held()).toHaveLength(1));
  pod('api-1', { owner: 'api' });
  await untilPasses(() => expect(asked).toContain('api-1'));
  webhook.set('faulty'); // which does not bring it back
  webhook.set('in-place');
  await turns();
  expect(asked).toEqual(['web-1', 'api-1']);
  expect(held()).toHaveLength(1);
});

test('the next pod goes when as many are ready as before, and a new one of them has a proxy', async () => {
  for (const name of ['web-1', 'web-2']) pod(name);
  await missing(2);
  evict({ heldMs: 20 });
  await untilPasses(() => expect(asked).toEqual(['web-1']));
  pod('web-3', { createdAt: LATER });
  await missing(2);
  await turns();
  pod('web-3', { createdAt: LATER, meshed: true, ready: false });
  await missing(1);
  await turns();
  expect(asked).toEqual(['web-1']);
  pod('web-3', { createdAt: LATER, meshed: true });
  await untilPasses(() => expect(asked).toEqual(['web-1', 'web-2']));
});

test.each([503, 429])('after an eviction that is answered with %d the pod is tried again', async (status) => {
  answer = status;
  pod('web-1');
  pod('web-2');
  await missing(2);
  evict({ heldMs: 20 });
  await untilPasses(() => expect(asked.length).toBeGreaterThan(1));
  answer = 201;
  await untilPasses(() => expect(server.all(PODS)).toHaveLength(1));
  await turns();
  expect(server.all(PODS)).toHaveLength(1);
});

test('one in a minute is one', async () => {
  pod('web-1');
  pod('api-1', { owner: 'api' });
  await missing(2);
  evict({ perMinute: 200 }); // one in 0.3 s
  await untilPasses(() => expect(asked).toHaveLength(1));
  expect(asked).toHaveLength(1);
  await untilPasses(() => expect(asked).toHaveLength(2));
});

test.each<[number, string]>([
  [201, 'evicted'],
  [429, 'forbidden-now'],
  [409, 'gone'],
  [404, 'gone'],
])('an answer %d to an eviction means %s', async (status, means) => {
  pod('web-1');
  answer = status;
  expect(await evictPod(client, { namespace: 'shop', name: 'web-1', uid: 'web-1' })).toBe(means);
});

test('an eviction that is refused otherwise is an error', async () => {
  pod('web-1');
  answer = 403;
  await expect(evictPod(client, { namespace: 'shop', name: 'web-1', uid: 'web-1' })).rejects.toThrow(
    /told so/,
  );
});
