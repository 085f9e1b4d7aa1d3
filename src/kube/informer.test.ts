import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Metrics, createLogger } from '../base/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { connectPlain, type KubeClient } from './client.js';
import { Informer, type InformerOptions } from './informer.js';
import { createInformerMetrics } from './informer-metrics.js';
import type { RawObject } from './keep.js';
import type { ConfigMap, KubeObject } from './objects.js';
import { Resources, ownResource, type Resource } from './resource.js';

const policies = ownResource({ kind: 'TrafficPolicy', plural: 'trafficpolicies' });
const configs = ownResource({ kind: 'MeshConfig', plural: 'meshconfigs' });

const CONFIG_MAPS = '/api/v1/configmaps';
const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
const MESH_CONFIGS = '/apis/weft.dev/v1alpha1/meshconfigs';
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
  return startOf(options.resource ?? Resources.configMap, options);
}

function startOf<T extends KubeObject>(
  resource: Resource<T>,
  options: Partial<InformerOptions<T>> = {},
): Informer<T> {
  const informer = new Informer({
    client,
    log,
    ...options,
    resource,
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
  await informer.settled;
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
  await informer.settled;
  expect(informer.store.size).toBe(1_203);
  expect(server.requests.filter(({ query }) => query.get('limit') === '500')).toHaveLength(3);
});

test('after a cut connection the watch goes on from its position, without a list', async () => {
  put('a', '1');
  const informer = start();
  await informer.settled;
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
  await informer.settled;
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
  await informer.settled;
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
  await informer.settled;
  expect(values(informer)).toEqual(['a=1']);
  expect(await metrics.text()).toContain(
    'weft_informer_restarts_total{kind="ConfigMap",reason="unavailable"} 3',
  );
});

test('a silent connection is taken for dead and replaced', async () => {
  const informer = start({ timing: { silenceMs: 50 } });
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.frozen = true;
  put('a', '1');
  server.frozen = false;
  await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
});

test('staleness grows while the server is away and falls when it is back', async () => {
  const informer = start();
  await informer.settled;
  server.failNext(...Array.from({ length: 40 }, () => 503));
  server.cutWatches();
  await untilPasses(() => expect(informer.staleSeconds).toBeGreaterThan(0.1));
  await untilPasses(() => expect(informer.staleSeconds).toBeLessThan(0.1));
});

test('an optional kind whose CRD is missing counts as settled, and is found once it is there', async () => {
  server.absent.add(POLICIES);
  server.put(POLICIES, { metadata: { name: 'a', namespace: 'shop' }, spec: {} });
  const informer = startOf(policies, { optional: true });
  await informer.settled;
  expect(informer.store.size).toBe(0);
  expect(informer.refusal).toBeUndefined();
  server.absent.clear();
  await untilPasses(() => expect(informer.store.size).toBe(1));
});

test('a kind whose CRD is just being replaced is found again long before the time for one that is not installed', async () => {
  server.absent.add(POLICIES);
  server.put(POLICIES, { metadata: { name: 'a', namespace: 'shop' }, spec: {} });
  const informer = startOf(policies, { optional: true, timing: { backoffBaseMs: 5, absentMs: 3_600_000 } });
  await informer.settled;
  server.absent.clear();
  await untilPasses(() => expect(informer.store.size).toBe(1));
});

test('a 404 that discovery does not confirm is not believed: nothing is settled, nothing known is emptied', async () => {
  server.put(MESH_CONFIGS, { metadata: { name: 'default' }, spec: { mtls: { mode: 'Strict' } } });
  const known = startOf(configs, { optional: true });
  await known.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.refusing.set(MESH_CONFIGS, 404);
  server.cutWatches();
  const late = startOf(configs, { optional: true });
  await untilPasses(() => {
    expect(known.refusal?.code).toBe('not-found');
    expect(late.refusal?.code).toBe('not-found');
  });
  expect({ known: known.store.size, late: late.isSettled }).toEqual({ known: 1, late: false });
  server.refusing.clear();
  await late.settled;
  await untilPasses(() => expect(known.refusal).toBeUndefined());
});

test('a kind that was there and is gone from discovery keeps what was known, and says so', async () => {
  server.put(MESH_CONFIGS, { metadata: { name: 'default' }, spec: { mtls: { mode: 'Strict' } } });
  const informer = startOf(configs, { optional: true });
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.absent.add(MESH_CONFIGS);
  server.cutWatches();
  await untilPasses(() => expect(informer.refusal?.message).toMatch(/no longer serves the kind/));
  expect(informer.store.size).toBe(1);
  server.absent.clear();
  server.remove(MESH_CONFIGS, { name: 'default' });
  await untilPasses(() => expect(informer.store.size).toBe(0));
});

test('where it cannot be said whether the kind goes, a deletion is neither believed nor forgotten', async () => {
  const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
  server.put(MESH_CONFIGS, { metadata: { name: 'default' }, spec: {} });
  const informer = startOf(configs, { optional: true, recall: () => Promise.resolve([]) });
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.refusing.set(DEFINITIONS, 500);
  server.remove(MESH_CONFIGS, { name: 'default' });
  await untilPasses(() =>
    expect(server.requests.filter(({ path }) => path.startsWith(DEFINITIONS)).length).toBeGreaterThan(1),
  );
  expect(informer.store.size).toBe(1);
  server.refusing.clear();
  await untilPasses(() => expect(informer.store.size).toBe(0));
});

test.each([401, 403, 500, 503])('a kind that answers %i has been heard, and is refused', async (status) => {
  const metrics = new Metrics();
  put('a', '1');
  const informer = start();
  createInformerMetrics(metrics, () => [informer]);
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.refusing.set(CONFIG_MAPS, status);
  server.cutWatches();
  await untilPasses(() => {
    expect(informer.staleSeconds).toBeGreaterThan(0.2);
    expect(informer.silentSeconds).toBeLessThan(0.15);
  });
  expect(await metrics.text()).toMatch(/weft_informer_refused\{kind="ConfigMap",reason="[a-z-]+"\} 1/);
  expect(values(informer)).toEqual(['a=1']);
  server.refusing.clear();
  put('b', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1', 'b=1']));
  await untilPasses(() => expect(informer.refusal).toBeUndefined());
  expect(await metrics.text()).not.toContain('weft_informer_refused{');
});

test('a refused kind is waited for where it is required, and for a while where it is not', async () => {
  server.refusing.set(CONFIG_MAPS, 403);
  const required = start();
  const other = start({ required: false, timing: { patienceMs: 40 } });
  await other.settled;
  expect(other.refusal?.code).toBe('permission-denied');
  expect(required.isSettled).toBe(false);
});

test('a watch that is cut again and again after it brought something is never a reason to list', async () => {
  const informer = start();
  await informer.settled;
  for (let cut = 0; cut < 8; cut++) {
    await untilPasses(() => {
      const watches = server.requests.filter(({ query }) => query.has('watch'));
      expect([watches.length, server.openWatches]).toEqual([cut + 1, 1]);
    });
    put('a', String(cut));
    await untilPasses(() => expect(values(informer)).toEqual([`a=${cut}`]));
    server.cutWatches();
  }
  expect(server.requests.filter(({ query }) => query.has('limit'))).toHaveLength(1);
});

test('a watch that was in order until it was cut goes on at once', async () => {
  const informer = start({ timing: { backoffBaseMs: 600_000, backoffCapMs: 600_000, shortWatchMs: 0 } });
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.cutWatches();
  put('a', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
});

test('an object that cannot be read keeps its last form, and those behind it arrive; in a watch and in a list', async () => {
  const metrics = new Metrics();
  const keep = (raw: RawObject): ConfigMap => {
    const kept = Resources.configMap.keep(raw);
    if (kept.data.value === 'poison') throw new TypeError('poison');
    return kept;
  };
  put('a', '1');
  const resource = { ...Resources.configMap, keep };
  const informer = start({ resource, metrics: createInformerMetrics(metrics, () => []) });
  await informer.settled;
  await untilPasses(() => expect(server.openWatches).toBe(1));
  put('a', 'poison');
  put('b', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1', 'b=1']));
  server.compact();
  server.cutWatches();
  put('c', '1');
  await untilPasses(() => expect(values(informer)).toEqual(['a=1', 'b=1', 'c=1']));
  await untilPasses(() => expect(server.openWatches).toBe(1));
  server.remove(CONFIG_MAPS, { namespace: 'shop', name: 'a' });
  await untilPasses(() => expect(values(informer)).toEqual(['b=1', 'c=1']));
  expect(await metrics.text()).toMatch(/weft_informer_unreadable_total\{kind="ConfigMap"\} [1-9]/);
});

test.each(['garbage', '{"type":"ADDED"}', 'null', '{"type":"ADDED","object":"text"}'])(
  'the line %s ends the watch, and what follows is not lost',
  async (line) => {
    const informer = start();
    await informer.settled;
    await untilPasses(() => expect(server.openWatches).toBe(1));
    server.writeLine(CONFIG_MAPS, line);
    put('a', '1');
    await untilPasses(() => expect(values(informer)).toEqual(['a=1']));
  },
);

test('a handler that throws keeps nobody else from the change, and the watch goes on', async () => {
  const metrics = new Metrics();
  const informer = start({ metrics: createInformerMetrics(metrics, () => []) });
  const seen: string[] = [];
  informer.store.onChange(({ key }) => {
    if (key === 'shop/a') throw new Error('a bug');
  });
  informer.store.onChange(({ key }) => void seen.push(key));
  await informer.settled;
  put('a', '1');
  put('b', '1');
  await untilPasses(() => expect(seen.sort()).toEqual(['shop/a', 'shop/b']));
  expect(await metrics.text()).toContain('weft_informer_handler_errors_total{kind="ConfigMap"} 1');
  expect(server.requests.filter(({ query }) => query.has('watch'))).toHaveLength(1);
});

test('a namespace and a label narrow what is seen', async () => {
  put('other', '1', 'elsewhere');
  server.put(CONFIG_MAPS, {
    metadata: { name: 'a', namespace: 'shop', labels: { 'weft.dev/acks': 'x' } },
    data: { value: '1' },
  });
  put('b', '1');
  const informer = start({ namespace: 'shop', labelSelector: 'weft.dev/acks' });
  await informer.settled;
  expect(values(informer)).toEqual(['a=1']);
});
