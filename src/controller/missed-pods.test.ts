import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, sleep } from '../base/index.js';
import { connectPlain, createQueueMetrics, type KubeClient } from '../kube/index.js';
import { ApiServer, meshContainers, untilPasses } from '../testing/index.js';
import { createClusterView, runClusterView, type ClusterView } from './cluster-view.js';
import { evictionMetrics } from './evictions.js';
import { evictMissed } from './missed-pods.js';

const PODS = '/api/v1/pods';
const log = createLogger({ level: 'silent' });

let server: ApiServer;
let client: KubeClient;
let abort: AbortController;
let view: ClusterView;
let running: Promise<unknown>;
let asked: string[];

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
  asked = [];
  view = createClusterView({
    client,
    revision: 'default',
    systemNamespace: 'weft-system',
    log,
    metrics: new Metrics(),
  });
  const metrics = new Metrics();
  const queueMetrics = createQueueMetrics(metrics);
  running = Promise.all([
    runClusterView(view, { client, log, restart: () => undefined }, abort.signal),
    evictMissed(
      {
        ...{ client, view, revision: 'default', evicted: evictionMetrics(metrics), log, queueMetrics },
        ...{ heldMs: 500, pauseMs: 1 },
      },
      abort.signal,
    ),
  ]);
});

afterEach(async () => {
  abort.abort();
  await running;
  client.close();
  await server.stop();
});

interface PodOf {
  readonly owner?: string;
  readonly kind?: string;
  readonly exitCode?: number;
  readonly revision?: string;
}

/** A pod whose first container has ended so. */
function pod(
  name: string,
  { owner = 'web', kind = 'ReplicaSet', exitCode = 3, revision = 'default' }: PodOf = {},
): void {
  const { init, proxy } = meshContainers();
  const reference = { apiVersion: 'apps/v1', kind, name: owner, uid: owner, controller: true };
  server.put(PODS, {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      labels: { 'weft.dev/rev': revision },
      ownerReferences: owner === '' ? [] : [reference],
    },
    spec: { initContainers: [init, proxy] },
    status: {
      phase: 'Pending',
      initContainerStatuses: [{ name: 'weft-init', state: {}, lastState: { terminated: { exitCode } } }],
    },
  });
  server.onPost(`/api/v1/namespaces/shop/pods/${name}/eviction`, () => {
    asked.push(name);
    server.remove(PODS, { namespace: 'shop', name });
    return { status: 201, body: {} };
  });
}

const reasons = (): unknown[] => server.all('/api/v1/events').map((event) => event['message']);

test('a pod that the plugin has missed is evicted, and its owner told', async () => {
  pod('web-1');
  await untilPasses(() => expect(asked).toEqual(['web-1']));
  await untilPasses(() =>
    expect(reasons()).toContainEqual(expect.stringContaining('its successor is captured')),
  );
});

test('of a workload whose successors are missed as well one goes at a time, after a while', async () => {
  const began = performance.now();
  pod('web-1');
  pod('web-2');
  await untilPasses(() => expect(asked).toHaveLength(1));
  await untilPasses(() => expect(asked).toHaveLength(2));
  expect(performance.now() - began).toBeGreaterThan(500);
});

test.each<[string, PodOf]>([
  ['whose first container has ended in another way', { exitCode: 1 }],
  ['of another revision', { revision: 'canary' }],
])('a pod %s is left alone', async (_what, over) => {
  pod('web-1', over);
  await untilPasses(() => expect(view.pods.store.get('shop/web-1')).toBeDefined());
  await sleep(200);
  expect([asked, reasons()]).toEqual([[], []]);
});

test.each<[string, PodOf]>([
  ['nobody', { owner: '' }],
  ['a Job, to which it would be a failure,', { kind: 'Job' }],
])('where %s makes a successor, somebody is told instead', async (_who, over) => {
  pod('web-1', over);
  await untilPasses(() => expect(reasons()).toContainEqual(expect.stringContaining('delete the pod')));
  expect(asked).toEqual([]);
});
