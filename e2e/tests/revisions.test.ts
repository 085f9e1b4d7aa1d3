import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploy, namespace } from '../support/app.js';
import { condition, trafficPolicy } from '../support/policy.js';
import { apply, eventually, get, kubectl, run, useCluster } from '../support/run.js';

// Two revisions installed side by side, each with a namespace of its own: neither writes what the other does.

const SYSTEM = 'weft-system';
const OURS = { default: 'e2e-rev-default', canary: 'e2e-rev-canary' } as const;

/** What a revision writes while nothing changes: nothing, but for what the rest of the cluster gives it to say. */
const WRITES_IN_A_QUIET_MINUTE = 10;
/** What both revisions could write: their leases are renewed all the time, each its own. */
const CONTESTED = /resource="(trafficpolicies|meshconfigs|configmaps|secrets|mutatingwebhookconfigurations)"/;
const WRITE = /verb="(POST|PUT|PATCH|APPLY)"/;

beforeAll(async () => {
  await useCluster();
  const values = ['image.repository=docker.io/weft/weft', 'image.tag=dev', 'revision=canary'];
  const set = [...values, 'serviceAccount.create=false', 'replicas=1'].flatMap((value) => ['--set', value]);
  await run('helm', ['upgrade', '--install', 'weft-canary', 'charts/weft', '-n', SYSTEM, '--wait', ...set], {
    timeout: 180_000,
  });
  await apply([
    namespace(OURS.default),
    namespace(OURS.canary, { 'weft.dev/inject': 'enabled', 'weft.dev/rev': 'canary' }),
  ]);
}, 240_000);

afterAll(async () => {
  await kubectl('delete', 'namespace', OURS.default, OURS.canary, '--wait=false');
  await run('helm', ['uninstall', 'weft-canary', '-n', SYSTEM, '--wait']);
});

interface Pods {
  readonly items: readonly { readonly metadata: { readonly labels: Readonly<Record<string, string>> } }[];
}

test.each(Object.entries(OURS))('%s serves its own namespace', async (revision, name) => {
  await deploy({ namespace: name, name: 'server' });
  await apply(
    trafficPolicy(name, 'server', {
      targetRefs: [{ kind: 'Service', name: 'server' }],
      routes: [{ timeouts: { request: '5s' } }],
    }),
  );
  const { items } = await get<Pods>('pods', '-n', name, '-l', 'app=server');
  expect(items.map(({ metadata }) => metadata.labels['weft.dev/rev'])).toEqual([revision]);
  await eventually('its policy is accepted', async () => {
    const accepted = await condition(name, 'server', 'Accepted');
    return accepted?.status === 'True';
  });
});

test('once there is nothing to do neither writes anything, so they do not fight', async () => {
  const seen: number[] = [];
  await eventually(
    'a minute without a write war',
    async () => {
      const before = await writes();
      await sleep(60_000);
      const count = (await writes()) - before;
      seen.push(count);
      if (count > WRITES_IN_A_QUIET_MINUTE) throw new Error(`writes in a minute each: ${seen.join(', ')}`);
      return true;
    },
    240,
  );
  console.log(`writes of what two revisions could fight about, in a minute each: ${seen.join(', ')}`);
  for (const name of Object.values(OURS))
    expect((await condition(name, 'server', 'Accepted'))?.status).toBe('True');
}, 360_000);

/** How many writes of contested kinds the API server has answered since it started. */
async function writes(): Promise<number> {
  const text = await kubectl('get', '--raw', '/metrics');
  return text
    .split('\n')
    .filter((line) => line.startsWith('apiserver_request_total{') && CONTESTED.test(line) && WRITE.test(line))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
