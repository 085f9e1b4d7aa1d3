import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, portOf } from '../base/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { createKubeClientMetrics } from './client-metrics.js';
import { connectKube, connectPlain, type KubeClient } from './client.js';
import { MAX_CONNECTIONS } from './connections.js';
import { Resources, ownResource } from './resource.js';
import { applyObject, createObject, deleteObject, getObject, jsonPatchObject, listObjects } from './write.js';
import { WriteRate } from './write-rate.js';

const trafficPolicy = ownResource({ kind: 'TrafficPolicy', plural: 'trafficpolicies' });

const at = { namespace: 'shop', name: 'a' };
let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
});

afterEach(async () => {
  client.close();
  await server.stop();
});

test('apply creates and changes, get reads, delete removes and does not mind when there is nothing', async () => {
  await applyObject(client, Resources.configMap, { metadata: at, data: { x: '1' } });
  await applyObject(client, Resources.configMap, { metadata: at, data: { x: '2' } });
  expect((await getObject(client, Resources.configMap, at))?.data).toEqual({ x: '2' });
  await deleteObject(client, Resources.configMap, at);
  await deleteObject(client, Resources.configMap, at);
  expect(await getObject(client, Resources.configMap, at)).toBeUndefined();
});

test('a fenced client reads on and writes nothing once its holder may not, as one that wakes frozen in its work', async () => {
  let holds = true;
  const fenced = client.fenced(() => holds);
  await applyObject(fenced, Resources.configMap, { metadata: at, data: { x: '1' } });
  holds = false;
  await expect(
    applyObject(fenced, Resources.configMap, { metadata: at, data: { x: '2' } }),
  ).rejects.toMatchObject({ code: 'aborted', message: expect.stringMatching(/no longer holds the lease/) });
  expect((await getObject(fenced, Resources.configMap, at))?.data).toEqual({ x: '1' });
  await applyObject(client, Resources.configMap, { metadata: at, data: { x: '3' } });
});

test('the API server of our tests owns fields as the real one does', async () => {
  const apply = (data: object, fieldManager: string): Promise<unknown> =>
    applyObject(client, Resources.configMap, { metadata: at, data }, { fieldManager });
  await apply({ x: '1', y: '1' }, 'weft');
  await apply({ z: '1' }, 'other');
  await apply({ x: '2' }, 'weft');
  expect((await getObject(client, Resources.configMap, at))?.data).toEqual({ x: '2', z: '1' });
  const before = server.get('/api/v1/configmaps', at)?.metadata.uid;
  await deleteObject(client, Resources.configMap, at);
  await apply({ w: '1' }, 'weft');
  expect((await getObject(client, Resources.configMap, at))?.data).toEqual({ w: '1' });
  expect(server.get('/api/v1/configmaps', at)?.metadata.uid).not.toBe(before);
});

test('apply is sent with the media type, field manager and force the API server asks for', async () => {
  await applyObject(client, Resources.configMap, { metadata: at, data: {} });
  const [request] = server.requests;
  expect(request?.path).toBe('/api/v1/namespaces/shop/configmaps/a');
  expect(Object.fromEntries(request?.query ?? [])).toEqual({ fieldManager: 'weft', force: 'true' });
});

test('applying a status changes the status only', async () => {
  const policies = '/apis/weft.dev/v1alpha1/trafficpolicies';
  server.put(policies, { metadata: at, spec: { routes: [] } });
  const condition = { type: 'Accepted', status: 'True' };
  await applyObject(
    client,
    trafficPolicy,
    { metadata: at, status: { conditions: [condition] } },
    { subresource: 'status' },
  );
  expect(server.get(policies, at)).toMatchObject({
    spec: { routes: [] },
    status: { conditions: [condition] },
  });
});

test('creating twice says already-exists, and a failed test in a patch changes nothing', async () => {
  await createObject(client, Resources.configMap, { metadata: at, data: { x: '1' } });
  await expect(createObject(client, Resources.configMap, { metadata: at })).rejects.toMatchObject({
    code: 'already-exists',
  });
  await jsonPatchObject(client, Resources.configMap, at, [{ op: 'replace', path: '/data/x', value: '3' }]);
  expect((await getObject(client, Resources.configMap, at))?.data.x).toBe('3');
});

test('listed objects know their kind, which the API server leaves out', async () => {
  server.put('/apis/weft.dev/v1alpha1/trafficpolicies', { metadata: at, spec: {} });
  const [policy] = await listObjects(client, trafficPolicy);
  expect(policy).toMatchObject({ apiVersion: 'weft.dev/v1alpha1', kind: 'TrafficPolicy' });
});

test('an error names the request, the status becomes a code', async () => {
  server.failNext(403);
  await expect(client.request({ path: '/api/v1/pods' })).rejects.toMatchObject({
    code: 'permission-denied',
    message: 'GET /api/v1/pods: told to fail',
  });
});

test('a server that accepts and never answers is a timeout, and one that is not there unavailable', async () => {
  const mute = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1');
  await once(mute, 'listening');
  const port = portOf(mute);
  const slow = connectPlain(`http://127.0.0.1:${port}`);
  await expect(slow.request({ path: '/version', timeoutMs: 30 })).rejects.toMatchObject({ code: 'timeout' });
  slow.close();
  mute.close();
  await once(mute, 'close');
  await expect(slow.request({ path: '/version' })).rejects.toMatchObject({ code: 'unavailable' });
});

test('an aborted request says so and leaves nothing behind', async () => {
  const abort = new AbortController();
  const lines = client.lines({
    path: '/api/v1/pods',
    query: { watch: true, resourceVersion: 1_000 },
    signal: abort.signal,
  });
  expect((await lines.next()).value).toBe('');
  abort.abort();
  await expect(lines.next()).rejects.toMatchObject({ code: 'aborted' });
});

test('a kubeconfig that is not there is named', () => {
  expect(() => connectKube({ kubeconfig: '/nowhere/config' })).toThrow(/cannot read \/nowhere\/config/);
});

test('a context that the kubeconfig does not have is named, with those it has', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'kubeconfig');
  const context = { cluster: 'c', user: 'u' };
  const config = {
    clusters: [{ name: 'c', cluster: { server: server.url } }],
    users: [{ name: 'u', user: {} }],
    contexts: ['staging', 'production'].map((name) => ({ name, context })),
    'current-context': 'staging',
  };
  await writeFile(file, JSON.stringify(config));
  expect(connectKube({ kubeconfig: file, context: 'production' }).server).toBe(server.url);
  expect(() => connectKube({ kubeconfig: file, context: 'nosuch' })).toThrow(
    'the kubeconfig has no context nosuch; it has: staging, production',
  );
});

test('a slow API server gets a bounded number of connections, and the lease does not wait behind reviews', async () => {
  let open = 0;
  let most = 0;
  const held: (() => void)[] = [];
  const slow = createHttpServer((request, response) => {
    if (request.url?.includes('leases') === true) response.end('{}');
    else held.push(() => response.end('{}'));
  });
  slow.on('connection', (socket) => {
    most = Math.max(most, ++open);
    socket.on('close', () => (open -= 1));
  });
  slow.listen(0, '127.0.0.1');
  await once(slow, 'listening');
  const address = slow.address();
  const crowded = connectPlain(`http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`);
  const reviews = Array.from({ length: 300 }, () =>
    crowded.request({ method: 'POST', path: '/reviews', body: {}, lane: 'review' }),
  );
  await untilPasses(() => expect(held).toHaveLength(MAX_CONNECTIONS.review));
  await crowded.request({ method: 'PUT', path: '/leases', body: {}, lane: 'lease' });
  expect(most).toBe(MAX_CONNECTIONS.review + 1);
  const releasing = setInterval(() => {
    for (const release of held.splice(0)) release();
  }, 1);
  await Promise.all(reviews);
  clearInterval(releasing);
  expect(most).toBe(MAX_CONNECTIONS.review + 1);
  crowded.close();
  slow.close();
  await once(slow, 'close');
});

test('writes beyond the burst wait for their turn; reads, reviews and the lease do not', async () => {
  const metrics = new Metrics();
  const options = {
    metrics: createKubeClientMetrics(metrics),
    writes: new WriteRate({ perSecond: 0.001, burst: 2 }),
  };
  const limited = connectPlain(server.url, options);
  const stop = new AbortController();
  const write = (): Promise<unknown> =>
    limited.request({
      method: 'PUT',
      path: '/api/v1/namespaces/shop/configmaps/a',
      body: { metadata: at },
      signal: stop.signal,
    });
  server.put('/api/v1/configmaps', { metadata: at });
  await Promise.all([write(), write()]).catch(() => undefined);
  const third = write();
  await limited.request({ path: '/version' });
  await limited
    .request({
      method: 'PUT',
      path: '/api/v1/namespaces/shop/configmaps/a',
      body: { metadata: at },
      lane: 'lease',
    })
    .catch(() => undefined);
  const puts = server.requests.filter(({ method }) => method === 'PUT');
  expect(puts).toHaveLength(3);
  stop.abort();
  await expect(third).rejects.toMatchObject({ code: 'aborted' });
  expect(await metrics.text()).toContain('weft_kube_write_wait_seconds_count 2');
  expect(await metrics.text()).toContain('weft_kube_requests_total{method="GET",code="200"} 1');
  limited.close();
});

test('a client says what lets others read along or answer for the API server', async () => {
  expect(client.exposure).toMatch(/^http:.* is not encrypted$/);
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'config');
  const config = (cluster: object): string =>
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: 'https://api.example', ...cluster } }],
      users: [{ name: 'u', user: {} }],
    });
  await writeFile(file, config({}));
  expect(connectKube({ kubeconfig: file }).exposure).toBeUndefined();
  await writeFile(file, config({ 'insecure-skip-tls-verify': true }));
  expect(connectKube({ kubeconfig: file }).exposure).toMatch(/certificate .* is not verified/);
});
