import { createServer } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiServer } from '../testing/index.js';
import { connectKube, connectPlain, type KubeClient } from './client.js';
import { Resources } from './resource.js';
import { applyObject, createObject, deleteObject, getObject, jsonPatchObject, listObjects } from './write.js';

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
    Resources.trafficPolicy,
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
  const [policy] = await listObjects(client, Resources.trafficPolicy);
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
  const address = mute.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
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
