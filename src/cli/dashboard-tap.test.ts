import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { TapLine, TapQuestion } from '../dashboard/index.js';
import { eventually, meshContainers } from '../testing/index.js';
import { ClusterFixture } from './cluster.fixture.js';
import { tapForPage } from './dashboard-tap.js';
import { CARRIED } from './tap/event.fixture.js';

const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';

let cluster: ClusterFixture;
let allowed: boolean;
let stop: AbortController;
let told: TapLine[];
let calls: {
  pod: string;
  question: unknown;
  gone: AbortSignal;
  say: (line: object) => void;
  exit: () => void;
}[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  allowed = true;
  stop = new AbortController();
  told = [];
  calls = [];
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed } } }));
  pod('web-5d9c7b8f6-a', 'web-5d9c7b8f6');
  pod('reviews-5d9c7b8f6-b', 'reviews-5d9c7b8f6');
  cluster.server.onExec((call) => {
    calls.push({
      pod: /pods\/([^/]+)\/exec/.exec(call.path)?.[1] ?? '',
      question: JSON.parse(call.input) as unknown,
      gone: call.gone,
      say: (line) => call.stdout(`${JSON.stringify(line)}\n`),
      exit: () => call.exit(0),
    });
    call.stdout('{"tap":"on","leftOut":0}\n');
  });
});

afterEach(async () => {
  stop.abort();
  await cluster.stop();
});

function pod(name: string, replicaSet: string): void {
  const mesh = meshContainers();
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: replicaSet, uid: 'r', controller: true };
  cluster.server.put('/api/v1/pods', {
    metadata: {
      ...{ name, namespace: 'shop', uid: name, ownerReferences: [owner] },
      labels: { 'pod-template-hash': '5d9c7b8f6' },
    },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase: 'Running' },
  });
}

const ASKED: TapQuestion = {
  ...{ namespace: 'shop', workload: '', side: '', from: '', to: '', status: '', verdict: '' },
};

const run = async (question: Partial<TapQuestion> = {}): Promise<void> =>
  tapForPage(cluster.client, { ...ASKED, ...question }, (line) => told.push(line), stop.signal);

test('the proxies of a workload are asked for what the page wants, and tell no headers', async () => {
  const tapping = run({ workload: 'Deployment/web', from: 'batch', to: 'reviews.shop', verdict: 'denied' });
  const [call] = await eventually('a proxy is asked', () => calls.length > 0 && calls);
  expect(call?.pod).toBe('web-5d9c7b8f6-a');
  expect(call?.question).toEqual({
    ...{ from: '/ns/shop/sa/batch', to: 'shop/reviews', verdict: 'denied' },
    ...{ headers: [], showHeaders: [], max: 10_000, rate: 20, seconds: 600 },
  });
  call?.say({ ...CARRIED, requestHeaders: [['x-group', 'beta']] });
  await eventually('the request', () => told.length === 2);
  expect(told[0]).toEqual({ kind: 'watching', proxies: 1 });
  expect(told[1]).toMatchObject({
    kind: 'request',
    request: { pod: 'web-5d9c7b8f6-a', path: '/api/v1?x=1', attempts: 1, wouldRefuse: [] },
  });
  expect(JSON.stringify(told)).not.toContain('beta');
  stop.abort();
  await tapping;
  await eventually('the proxy is left', () => call?.gone.aborted);
});

test('all pods of a namespace are watched where no workload is named, until each has ended', async () => {
  const tapping = run();
  await eventually('both are asked', () => calls.length === 2);
  await eventually('both watch', () => told.some((line) => line.kind === 'watching' && line.proxies === 2));
  for (const { exit } of calls) exit();
  await tapping;
  expect(told.at(-1)).toEqual({ kind: 'ended', notes: [], leftOut: 0 });
});

test('what proxies leave out is told with the next request of any of them', async () => {
  void run();
  const [web, reviews] = await eventually('both are asked', () => calls.length === 2 && calls);
  web?.say({ ...CARRIED, leftOut: 7 });
  await eventually('a request', () => told.some((line) => line.kind === 'request' && line.leftOut === 7));
  reviews?.say({ ...CARRIED, leftOut: 2 });
  await eventually('another', () => told.some((line) => line.kind === 'request' && line.leftOut === 9));
});

test('who may not run commands in the pods watches nothing, and hears which right is missing', async () => {
  allowed = false;
  await expect(run()).rejects.toThrow(/get and create on pods\/exec are missing/);
  expect(calls).toEqual([]);
});

test.each([
  [{ workload: 'Deployment/absent' }, /Deployment\/absent has no pod in namespace shop/],
  [{ namespace: 'empty' }, /there is no pod in namespace empty/],
])('what does not exist is named: %j', async (question, why) => {
  await expect(run(question)).rejects.toThrow(why);
});
