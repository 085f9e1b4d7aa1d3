import { once } from 'node:events';
import { MeshError, portOf } from '../base/index.js';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { eventually, type ApiServer } from '../testing/index.js';
import { Collector } from './collector.js';
import { LARGE_CALLS, LARGE_PODS, startLarge } from './large.fixture.js';
import { metricsPath, putPod, startShop } from './mesh.fixture.js';
import type { MeshView } from './mesh-view.js';
import { startDashboard, type RunningDashboard } from './server.js';
import { FIRST_STATE } from './web/page-state.js';
import { namespaceRows } from './web/workload-rows.js';
import { readableGraph } from './graph.js';
import { viewPath } from './traffic.fixture.js';
import type { Knowledge } from './knowledge.js';
import type { HistoryView } from './history-view.js';
import type { PodSignals } from './pod-signals.js';

const assets = { script: 'console.log("weft")', style: 'body{}' };
/** Who is asked about, and what is said. */
const askedAbout: (readonly string[])[] = [];
const knowledge: Knowledge = {
  access: (namespace, callers) => {
    askedAbout.push(callers);
    return Promise.resolve({ namespace, services: [], callers, cells: [], byDefault: '', notes: [] });
  },
  findings: () => Promise.reject(new MeshError('permission-denied', 'roles may not be listed')),
  tap: () => Promise.reject(new MeshError('permission-denied', 'pods/exec is missing')),
};
const started = performance.now();
/** The shop lives a hundred times as fast as we do, so that two scrapes see traffic between them. */
const seconds = (): number => (performance.now() - started) / 10;

let api: ApiServer;
let client: KubeClient;
let stop: AbortController;
let dashboard: RunningDashboard;

beforeEach(async () => {
  api = await startShop(seconds);
  client = connectPlain(api.url);
  stop = new AbortController();
  dashboard = await startDashboard({ client, assets, knowledge, port: 0 }, stop.signal);
});

afterEach(async () => {
  stop.abort();
  await dashboard.closed;
  client.close();
  await api.stop();
});

async function mesh(): Promise<MeshView> {
  const response = await fetch(new URL('/api/mesh', dashboard.url));
  expect(response.status).toBe(200);
  return (await response.json()) as MeshView;
}

/** A request whose Host header we choose, which fetch does not allow. */
async function ask(options: { host?: string; method?: string; path?: string }): Promise<number> {
  const { port } = new URL(dashboard.url);
  const headers = options.host === undefined ? {} : { host: options.host };
  const sent = request({
    host: '127.0.0.1',
    port,
    path: options.path ?? '/',
    method: options.method ?? 'GET',
    headers,
  });
  sent.end();
  const [response] = (await once(sent, 'response')) as [{ statusCode: number; resume: () => void }];
  response.resume();
  return response.statusCode;
}

test('the page and its parts are served with a policy that allows nothing else', async () => {
  const page = await fetch(dashboard.url);
  expect(await page.text()).toContain('<script type="module" src="/app.js">');
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).not.toContain('unsafe');
  for (const [path, type, body] of [
    ['/app.js', 'text/javascript', assets.script],
    ['/app.css', 'text/css', assets.style],
    ['/icon.svg', 'image/svg+xml', '<svg'],
  ] as const) {
    const part = await fetch(new URL(path, dashboard.url));
    expect(part.headers.get('content-type')).toContain(type);
    expect(part.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await part.text()).toContain(body);
  }
});

test('another name in Host is refused, as it would be after DNS rebinding', async () => {
  const { port } = new URL(dashboard.url);
  expect(await ask({ host: `127.0.0.1:${port}` })).toBe(200);
  expect(await ask({ host: `LOCALHOST:${port}` })).toBe(200);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    `localhost.evil.example:${port}`,
    '127.0.0.1.evil.example',
  ]) {
    expect(await ask({ host, path: '/api/mesh' })).toBe(403);
  }
  expect(api.requests).toEqual([]);
});

test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
  '%s is refused: the dashboard only reads',
  async (method) => {
    expect(await ask({ method, path: '/api/mesh' })).toBe(405);
  },
);

test('pods are told with their workload, identity, proxy, decision and readiness', async () => {
  const view = await mesh();
  expect(view.namespaces.map(({ name }) => name)).toEqual(['shop']);
  expect(view.controlPlane).toEqual({ ready: 1, pods: 1 });
  const pods = Object.fromEntries(view.namespaces[0]!.pods.map((pod) => [pod.workload, pod]));
  expect(pods['Deployment/reviews-v1']).toEqual({
    name: 'reviews-v1-5d9c7b8f6-x2x4q',
    workload: 'Deployment/reviews-v1',
    identity: 'spiffe://cluster.local/ns/shop/sa/reviews',
    proxyVersion: '0.1.0',
    injection: 'injected',
    lacksProxy: false,
    ready: true,
    phase: 'Running',
  });
  expect(pods['Deployment/node-agent']).toMatchObject({
    identity: '',
    injection: expect.stringMatching(/^skipped: hostNetwork/),
  });
  expect(pods['Deployment/old-timer']?.injection).toMatch(/restart its workload/);
});

test('a pod that ended is counted and no more: it is neither listed nor asked', async () => {
  putPod(api, 'nightly', { status: { phase: 'Succeeded', ready: false } });
  putPod(api, 'evicted', { status: { phase: 'Failed', ready: false } });
  const [shop] = (await mesh()).namespaces;
  expect(shop).toMatchObject({ name: 'shop', ended: 2 });
  expect(shop!.pods.filter(({ workload }) => /nightly|evicted/.test(workload))).toEqual([]);
  const asked = [metricsPath('nightly'), metricsPath('evicted')];
  expect(api.requests.filter(({ path }) => asked.includes(path))).toEqual([]);
});

test('rates are there at the first look, as both sides told the control plane, and no pod is asked', async () => {
  const view = await mesh();
  expect(view.windowSeconds).toBe(10);
  expect(view.problems).toEqual([]);
  const calls = Object.fromEntries(
    view.edges.map((edge) => [`${edge.caller.split('/').at(-1)} ${edge.service}`, edge]),
  );
  expect(calls['web shop/reviews']).toMatchObject({
    tls: 'mutual',
    perSecond: 40,
    successRate: 1 - 12 / 400,
  });
  expect(calls[' shop/catalog']).toMatchObject({ tls: 'none', perSecond: 2, seenBy: 'receiver' });
  expect(calls['mallory shop/reviews']).toMatchObject({ denied: 7, rules: ['shop/readers'] });
  expect(calls['catalog shop/db']).toMatchObject({ protocol: 'tcp', openConnections: 4 });
  expect(view.splits.map(({ backend, share, wanted }) => [backend, share, wanted])).toEqual([
    ['shop/reviews:8080{version=v1}', 0.9, 0.9],
    ['shop/reviews:8080{version=v2}', 0.1, 0.1],
  ]);
  expect(view.workloads.find(({ name }) => name === 'deployment/reviews-v2')?.signals).toMatchObject({
    perSecond: 4,
    successRate: 0.7,
  });
  expect(api.requests.filter(({ path }) => path.includes(':15121'))).toEqual([]);
});

test('half an hour is there at once: each call, workload, Service and namespace by the minute', async () => {
  const response = await fetch(new URL('/api/history', dashboard.url));
  const history = (await response.json()) as HistoryView;
  expect(history.known).toHaveLength(30);
  expect(history.known.every(Boolean)).toBe(true);
  expect(history.partial).toEqual(new Array(30).fill(false));
  expect(history.notes).toEqual([]);
  const v2 = history.workloads['shop/deployment/reviews-v2'];
  expect(v2?.rates.slice(0, 20)).toEqual(new Array(20).fill(0));
  expect(v2?.rates[20]).toBeGreaterThan(1);
  expect(v2!.failing[25]! / v2!.rates[25]!).toBeCloseTo(0.3, 1);
  expect(Object.keys(history.calls)).toHaveLength(6);
  expect(history.services['shop/reviews']?.rates[5]).toBeGreaterThan(20);
  expect(history.namespaces.shop?.rates[5]).toBeGreaterThan(60);
});

test('pods of one workload are asked what each counts, and those that do not answer say why', async () => {
  const ask = async (workload: string): Promise<PodSignals[]> => {
    const response = await fetch(new URL(`/api/pods?namespace=shop&workload=${workload}`, dashboard.url));
    return (await response.json()) as PodSignals[];
  };
  expect(await ask('Deployment/reviews-v2')).toMatchObject([{ seconds: 0, error: '' }]);
  const [pod] = await eventually('failures between two scrapes', async () => {
    const pods = await ask('Deployment/reviews-v2');
    return (pods[0]?.failures.length ?? 0) > 0 && pods;
  });
  expect(pod!.perSecond).toBeGreaterThan(100);
  expect(pod!.failures[0]?.code).toBe('503');
  expect(pod!.certificateEnds).toBeGreaterThan(Date.now());
  expect(await ask('Deployment/mute')).toMatchObject([{ error: expect.stringContaining('not found') }]);
  expect(api.requests.filter(({ path }) => path === metricsPath('web'))).toEqual([]);
  expect((await fetch(new URL('/api/pods', dashboard.url))).status).toBe(400);
});

test('who may not see the traffic is told which rights that takes, and sees the rest', async () => {
  api.onPost('/api/v1/namespaces/weft-system/serviceaccounts/weft-default-view/token', () => ({
    status: 403,
    body: { message: 'serviceaccounts "weft-default-view" is forbidden' },
  }));
  const view = await mesh();
  expect(view.windowSeconds).toBe(0);
  expect(view.problems).toEqual([
    { about: 'Traffic', message: expect.stringContaining('"create" on serviceaccounts/token') },
  ]);
  expect(view.namespaces).toHaveLength(1);
  expect((await fetch(new URL('/api/history', dashboard.url))).status).toBe(500);
});

test('access is asked about whoever runs there and whoever called, once for all who look', async () => {
  const look = async (namespace: string): Promise<number> =>
    (await fetch(new URL(`/api/access?namespace=${namespace}`, dashboard.url))).status;
  expect(await Promise.all([look('shop'), look('shop'), look('elsewhere')])).toEqual([200, 200, 500]);
  expect(askedAbout).toHaveLength(1);
  const accounts = askedAbout[0]!.map((identity) => identity.split('/').at(-1)).sort();
  expect(accounts).toEqual(['catalog', 'mallory', 'mute', 'reviews', 'shopper', 'web']);
});

test('what may not be read for the findings is said, and is asked for again', async () => {
  const response = await fetch(new URL('/api/findings', dashboard.url));
  expect([response.status, await response.json()]).toEqual([500, { error: 'roles may not be listed' }]);
});

test('root and issuer are told with their lives, as the control plane says', async () => {
  const response = await fetch(new URL('/api/authority', dashboard.url));
  expect(await response.json()).toMatchObject({
    issuers: [{ subject: 'CN=Weft issuer of cluster.local', sha256: '3f'.repeat(32) }],
    roots: [{ subject: 'CN=Weft root of cluster.local' }],
    notes: [],
  });
});

test('many who ask at once cause one look at the cluster', async () => {
  await Promise.all(Array.from({ length: 10 }, mesh));
  expect(api.requests.filter(({ path }) => path === viewPath('traffic'))).toHaveLength(1);
});

test('five hundred workloads are one look, of which the page shows the problems first and draws the namespaces', async () => {
  const large = await startLarge();
  const other = connectPlain(large.url);
  const view = await new Collector({ client: other, knowledge }).view(stop.signal);
  expect(view.namespaces).toHaveLength(10);
  expect(view.edges).toHaveLength(LARGE_CALLS);
  const rows = namespaceRows(view, FIRST_STATE);
  const shown = rows.flatMap(({ workloads }) => workloads.flatMap(({ pods }) => pods));
  expect(shown).toHaveLength(LARGE_PODS);
  expect(rows.filter(({ open }) => open)).toEqual([]);
  expect(rows.slice(0, 4).map(({ namespace, troubled }) => [namespace.name, troubled])).toEqual([
    ['team-3', 1],
    ['team-6', 1],
    ['team-0', 0],
    ['team-1', 0],
  ]);
  expect(rows[1]?.workloads[0]?.workload).toBe('Deployment/starting');
  const graph = readableGraph(view.edges);
  expect(graph.nodes.map(({ kind }) => kind)).toEqual(new Array(10).fill('namespace'));
  const narrowed = readableGraph(view.edges.filter(({ service }) => service.startsWith('team-3/')));
  expect(narrowed.nodes).toHaveLength(50);
  other.close();
  await large.stop();
});

test('policies are told with targets, routes, conditions and what is wrong', async () => {
  const { policies } = await mesh();
  expect(policies.map(({ name }) => name)).toEqual(['basket', 'reviews']);
  expect(policies[1]).toMatchObject({
    targets: ['Service reviews:8080'],
    routes: ['testers (where it matches): version=v2', 'canary: 90 % version=v1, 10 % version=v2'],
  });
  const refused = policies[0]!.conditions.find(({ status }) => status === 'False');
  expect(refused).toMatchObject({
    reason: 'TargetNotFound',
    outdated: true,
    message: expect.stringContaining('create it'),
  });
});

test('a cluster without the CRDs still shows its pods, and says what to install', async () => {
  api.absent.add('/apis/weft.dev/v1alpha1/trafficpolicies');
  const view = await mesh();
  expect(view.problems).toEqual([
    { about: 'TrafficPolicies', message: expect.stringContaining('install the chart weft-crds') },
  ]);
  expect(view.namespaces).toHaveLength(1);
});

test('who may not list namespaces is told so, and sees what carries a label of the mesh', async () => {
  api.failNext(403);
  const view = await mesh();
  expect(view.problems).toEqual([{ about: 'Namespaces', message: 'GET /api/v1/namespaces: told to fail' }]);
  expect(view.namespaces.map(({ name, labelled }) => [name, labelled])).toEqual([['shop', false]]);
});

test('an API server that fails is an error that names the request, and the next look may succeed', async () => {
  api.failNext(500);
  const refused = await fetch(new URL('/api/mesh', dashboard.url));
  expect(refused.status).toBe(503);
  expect(await refused.json()).toEqual({ error: 'GET /api/v1/namespaces: told to fail' });
  expect((await mesh()).namespaces).toHaveLength(1);
});

test('a port that is taken is said with the remedy', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = portOf(other);
  await expect(startDashboard({ client, assets, knowledge, port }, stop.signal)).rejects.toThrow(
    /choose another with --port/,
  );
  other.close();
});

test('it listens on loopback only', () => {
  expect(new URL(dashboard.url).hostname).toBe('127.0.0.1');
});
