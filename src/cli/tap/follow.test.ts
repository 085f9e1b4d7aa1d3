import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Resources, listObjects } from '../../kube/index.js';
import { eventually, meshContainers } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { follow } from './follow.js';

let cluster: ClusterFixture;
let asked: string[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  asked = [];
  cluster.server.onExec((call) => {
    asked.push(/pods\/([^/]+)\/exec/.exec(call.path)?.[1] ?? '');
    call.stdout('{"tap":"on","leftOut":2}\n');
  });
});

afterEach(() => cluster.stop());

function pod(name: string): void {
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop', uid: name },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase: 'Running' },
  });
}

const followShop = (signal: AbortSignal): ReturnType<typeof follow> =>
  follow({
    client: cluster.client,
    pods: async () => listObjects(cluster.client, Resources.pod, { namespace: 'shop' }),
    question: {},
    onEvent: () => undefined,
    signal,
    lookMs: 5,
  });

test('a pod that comes later is followed, and no more than fifty are at once', async () => {
  pod('web-0');
  const stop = new AbortController();
  const following = followShop(stop.signal);
  await eventually('the first is asked', () => asked.length === 1);
  pod('web-1');
  await eventually('the second is asked', () => asked.length === 2);
  for (let index = 2; index < 60; index += 1) pod(`web-${index}`);
  await eventually('fifty are asked', () => asked.length === 50);
  stop.abort();
  const { proxies, leftOut, notes } = await following;
  expect(asked).toHaveLength(50);
  expect({ proxies, leftOut }).toEqual({ proxies: 50, leftOut: 100 });
  expect(notes).toEqual(['50 pods are followed at once; there are more, which are not']);
});

test('those that have ended make room, and none is asked twice', async () => {
  for (let index = 0; index < 55; index += 1) pod(`web-${index}`);
  const ends: (() => void)[] = [];
  cluster.server.onExec((call) => {
    asked.push(call.path);
    ends.push(() => call.exit(0));
    call.stdout('{"tap":"on","leftOut":0}\n');
  });
  const stop = new AbortController();
  const following = followShop(stop.signal);
  await eventually('fifty are asked', () => asked.length === 50);
  for (const end of ends.splice(0, 10)) end();
  await eventually('the others are asked', () => asked.length === 55);
  stop.abort();
  await following;
  expect(new Set(asked).size).toBe(55);
  expect(asked).toHaveLength(55);
});
