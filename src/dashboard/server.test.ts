import { once } from 'node:events';
import { portOf } from '../base/index.js';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { eventually, type ApiServer } from '../testing/index.js';
import { Collector } from './collector.js';
import { LARGE_PODS, startLarge } from './large.fixture.js';
import { metricsPath, putPod, startShop } from './mesh.fixture.js';
import type { MeshView } from './mesh-view.js';
import { startDashboard, type RunningDashboard } from './server.js';
import { FIRST_STATE } from './web/page-state.js';
import { namespaceRows } from './web/pod-rows.js';

const assets = { script: 'console.log("weft")', style: 'body{}' };
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
  dashboard = await startDashboard({ client, assets, port: 0 }, stop.signal);
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
    scrapeError: '',
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

test('a proxy that cannot be asked is said so, and hides nobody else', async () => {
  const view = await mesh();
  const errors = view.namespaces[0]!.pods.filter(({ scrapeError }) => scrapeError !== '');
  expect(errors.map(({ workload, scrapeError }) => [workload, scrapeError])).toEqual([
    ['Deployment/mute', expect.stringContaining('not found')],
  ]);
  expect(view.edges.length).toBeGreaterThan(3);
});

test('rates come from the second look on', async () => {
  const first = await mesh();
  expect(first.windowSeconds).toBe(0);
  expect(first.edges.every(({ perSecond }) => perSecond === 0)).toBe(true);
  const second = await eventually('a second look', async () => {
    const view = await mesh();
    return view.windowSeconds > 0 && view;
  });
  const edge = second.edges.find(
    ({ service, caller }) => service === 'shop/reviews' && caller.endsWith('/web'),
  );
  expect(edge).toMatchObject({ tls: 'mutual', perSecond: expect.any(Number) });
  expect(edge!.perSecond).toBeGreaterThan(100);
  expect(second.splits.find(({ backend }) => backend.includes('v1'))!.share).toBeCloseTo(0.9, 1);
});

test('many who ask at once cause one look at the cluster', async () => {
  await Promise.all(Array.from({ length: 10 }, mesh));
  expect(api.requests.filter(({ path }) => path === metricsPath('web'))).toHaveLength(1);
});

test('ten namespaces of sixty pods are one look, of which the page shows the problems first', async () => {
  const large = await startLarge(seconds);
  const other = connectPlain(large.url);
  const view = await new Collector(other).view(stop.signal);
  expect(view.namespaces).toHaveLength(10);
  const rows = namespaceRows(view.namespaces, FIRST_STATE);
  expect(rows.reduce((sum, { pods }) => sum + pods.length, 0)).toBe(LARGE_PODS);
  expect(rows.filter(({ open }) => open)).toEqual([]);
  expect(rows.slice(0, 3).map(({ namespace, troubled }) => [namespace.name, troubled])).toEqual([
    ['team-6', 1],
    ['team-7', 1],
    ['team-0', 0],
  ]);
  expect(rows[0]?.pods[0]?.workload).toBe('Deployment/starting');
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

test('an API server that refuses is an error that names the request, and the next look may succeed', async () => {
  api.failNext(403);
  const refused = await fetch(new URL('/api/mesh', dashboard.url));
  expect(refused.status).toBe(500);
  expect(await refused.json()).toEqual({ error: 'GET /api/v1/namespaces: told to fail' });
  expect((await mesh()).namespaces).toHaveLength(1);
});

test('a port that is taken is said with the remedy', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = portOf(other);
  await expect(startDashboard({ client, assets, port }, stop.signal)).rejects.toThrow(
    /choose another with --port/,
  );
  other.close();
});

test('it listens on loopback only', () => {
  expect(new URL(dashboard.url).hostname).toBe('127.0.0.1');
});
