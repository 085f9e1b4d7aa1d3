import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../base/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { connectPlain, type KubeClient } from './client.js';
import { Informer, createInformerMetrics, type InformerOptions } from './informer.js';
import type { ConfigMap } from './objects.js';
import { Resources } from './resource.js';

const CONFIG_MAPS = '/api/v1/configmaps';
const log = createLogger({ level: 'silent' });
const timing = { backoffBaseMs: 5, backoffCapMs: 20, absentMs: 10 };

let server: ApiServer;
let client: KubeClient;
let abort: AbortController;
let running: Promise<void>[];

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
  abort = new AbortController();
  running = [];
});

afterEach(async () => {
  abort.abort();
  await Promise.all(running);
  client.close();
  await server.stop();
});

function put(name: string, value: string, namespace = 'shop'): void {
  server.put(CONFIG_MAPS, { metadata: { name, namespace }, data: { value } });
}

function start(options: Partial<InformerOptions<ConfigMap>> = {}): Informer<ConfigMap> {
  const informer = new Informer({
    client,
    resource: Resources.configMap,
    log,
    ...options,
    timing: { ...timing, ...options.timing },
  });
  running.push(informer.run(abort.signal));
  return informer;
}

function values(informer: Informer<ConfigMap>): string[] {
  return [...informer.store.values()].map((map) => `${map.metadata.name}=${map.data.value}`).sort();
}

test('a store follows what is added, changed and deleted, and is synced after the first list', async () => {
  put('a', '1');
  const informer = start();
  await informer.synced;
  expect(values(informer)).toEqual(['a=1']);
  put('b', '1');
  put('a', '2');
  await untilPasses(() => expect(values(informer)).toEqual(['a=2', 'b=1']));
  server.remove(CONFIG_MAPS, { namespace: 'shop', name: 'a' });
  await untilPasses(() => expect(values(informer)).toEqual(['b=1']));
});

test('a list longer than a page is read to its end', async () => {
  for (let i = 0; i < 1_203; i++) put(`map-${i}`, '1');
  const informer = start();
  await informer.synced;
  expect(informer.store.size).toBe(1_203);
  expect(server.requests.filter(({ query }) => query.get('limit') === '500')).toHaveLength(3);
});

test('after a cut connection the watch goes on from its position, without a list', async () => {
  put('a', '1');
  const informer = start();
  await informer.synced;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.cutWatches();
  put('b', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1', 'b=1']));
  expect(server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(1);
});

test('410 makes a new list, and what was deleted meanwhile is deleted', async () => {
  put('a', '1');
  put('b', '1');
  const informer = start();
  await informer.synced;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.frozen = true;
  server.remove(CONFIG_MAPS, { namespace: 'shop', name: 'a' });
  put('c', '1');
  server.compact();
  server.frozen = false;
  server.cutWatches();
  await untilPasses(() => expect(values(informer)).toEqual(['b=1', 'c=1']));
});

test('a bookmark moves the position, so that a compacted history needs no new list', async () => {
  const informer = start();
  await informer.synced;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  for (let i = 0; i < 5; i++)
    server.put('/api/v1/pods', { metadata: { name: `pod-${i}`, namespace: 'shop' } });
  server.compact();
  await untilPasses(() => expect(informer.staleSeconds).toBeGreaterThan(0.1));
  server.bookmark();
  await untilPasses(() => expect(informer.staleSeconds).toBeLessThan(0.1));
  server.cutWatches();
  put('a', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
  expect(server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(1);
});

test('errors of lists and watches are survived, and counted', async () => {
  const metrics = new Metrics();
  put('a', '1');
  server.failNext(500, 503, 429);
  const informer = start({ metrics: createInformerMetrics(metrics, () => []) });
  await informer.synced;
  expect(values(informer)).toEqual(['a=1']);
  expect(await metrics.text()).toContain(
    'weft_informer_restarts_total{kind="ConfigMap",reason="unavailable"} 3',
  );
});

test('a silent connection is taken for dead and replaced', async () => {
  const informer = start({ timing: { silenceMs: 50 } });
  await informer.synced;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.frozen = true;
  put('a', '1');
  server.frozen = false;
  await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
});

test('staleness grows while the server is away and falls when it is back', async () => {
  const informer = start();
  await informer.synced;
  server.failNext(...Array.from({ length: 40 }, () => 503));
  server.cutWatches();
  await untilPasses(() => expect(informer.staleSeconds).toBeGreaterThan(0.1));
  await untilPasses(() => expect(informer.staleSeconds).toBeLessThan(0.1));
});

test('an optional kind whose CRD is missing counts as synced, and is found once it is there', async () => {
  server.absent.add(CONFIG_MAPS);
  put('a', '1');
  const informer = start({ optional: true });
  await informer.synced;
  expect(informer.store.size).toBe(0);
  server.absent.clear();
  await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
});

test('a namespace and a label narrow what is seen', async () => {
  put('other', '1', 'elsewhere');
  server.put(CONFIG_MAPS, {
    metadata: { name: 'a', namespace: 'shop', labels: { 'weft.dev/acks': 'x' } },
    data: { value: '1' },
  });
  put('b', '1');
  const informer = start({ namespace: 'shop', labelSelector: 'weft.dev/acks' });
  await informer.synced;
  expect(values(informer)).toEqual(['a=1']);
});
