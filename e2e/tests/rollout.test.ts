import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploy, load, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl, run } from '../support/run.js';
import { threeWays, underTraffic } from '../support/traffic.js';

const NS = 'e2e-rollout';
const TWO_HUNDRED = ['-url', 'http://server:8080/', '-rate', '200'];

const CALLERS = threeWays(NS, 'deploy/client', 'http://server:8080/');

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', replicas: 3 }, { namespace: NS, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('a rolling restart of the callee at 200 rps of GETs fails no request', async () => {
  const running = load(NS, 'deploy/client', ...TWO_HUNDRED, '-duration', '40s');
  await sleep(1000); // traffic flows before the restart; the count below shows it flowed throughout
  await kubectl('rollout', 'restart', '-n', NS, 'deployment/server');
  await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=35s');
  const report = await running;
  expect(report.requests).toBeGreaterThan(7000);
  expect(report.failures).toEqual({});
});

interface Pods {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string };
  }[];
}

async function podsOf(app: string): Promise<readonly string[]> {
  const { items } = await get<Pods>('pods', '-n', NS, '-l', `app=${app}`);
  return items.map(({ metadata }) => metadata.name);
}

test('scaling the callee from three pods to one and back fails no request', async () => {
  await underTraffic(CALLERS, async () => {
    await kubectl('scale', '-n', NS, 'deployment/server', '--replicas=1');
    await eventually('two pods are gone', async () => (await podsOf('server')).length === 1, 90);
    await kubectl('scale', '-n', NS, 'deployment/server', '--replicas=3');
    await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=90s');
  });
  expect(await podsOf('server')).toHaveLength(3);
});

test('evicting every pod of the callee, as a drain does, fails no request', async () => {
  const before = await podsOf('server');
  await underTraffic(CALLERS, async () => {
    for (const name of before) {
      await evict(name);
      await eventually(`${name} is gone`, async () => !(await podsOf('server')).includes(name), 90);
      await kubectl('rollout', 'status', '-n', NS, 'deployment/server', '--timeout=90s');
    }
  });
  expect((await podsOf('server')).filter((name) => before.includes(name))).toEqual([]);
}, 420_000);

async function evict(name: string): Promise<void> {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: NS } };
  const path = `/api/v1/namespaces/${NS}/pods/${name}/eviction`;
  await run('kubectl', ['create', '--raw', path, '-f', '-'], { input: JSON.stringify(eviction) });
}
