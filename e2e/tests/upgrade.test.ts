import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { condition, trafficPolicy } from '../support/policy.js';
import { apply, eventually, get, kubectl, run, useCluster } from '../support/run.js';
import { installWeft, weft } from '../support/weft.js';
import { threeWays, underTraffic } from '../support/traffic.js';

// An earlier state of this repository (WEFT_PREVIOUS, by default twenty commits ago) is installed with its own charts and control plane, and
// upgraded to this one by Helm while three callers send requests; then back, and forth again. Nothing may fail.

const NS = 'e2e-upgrade';
const SYSTEM = 'weft-system';
const URL = 'http://server:8080/';
const REVISION = process.env['WEFT_PREVIOUS'] ?? 'HEAD~20';

const CALLERS = threeWays(NS, 'deploy/client', URL);

let folder: string;
let sent = 0;

async function helm(...args: string[]): Promise<string> {
  return run('helm', [...args, '-n', SYSTEM], { timeout: 240_000 });
}

beforeAll(async () => {
  await useCluster();
  folder = await mkdtemp(join(tmpdir(), 'weft-previous-'));
  await run('e2e/image/previous.sh', [REVISION, folder], { timeout: 600_000 });
  await run('e2e/cluster/load-image.sh', [join(folder, 'weft.tar')]);
  await helm('uninstall', 'weft', '--wait');
  await helm('upgrade', '--install', 'weft-crds', join(folder, 'charts/weft-crds'));
  const values = ['image.repository=docker.io/weft/weft', 'image.tag=previous'];
  const set = values.flatMap((value) => ['--set', value]);
  await helm('install', 'weft', join(folder, 'charts/weft'), '--wait', ...set);
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'server-v1', service: 'server', version: 'v1', replicas: 2 },
    { namespace: NS, name: 'server-v2', service: 'server', version: 'v2' },
    { namespace: NS, name: 'client' },
  );
  await sendTo('v1');
}, 1_200_000);

afterAll(async () => {
  console.log(`upgrade from ${REVISION}: ${sent} requests sent, none lost where the tests passed`);
  await rm(folder, { recursive: true, force: true });
  await kubectl('delete', 'namespace', NS, '--wait=false');
  await installWeft();
}, 240_000);

/** Image of the proxy of each pod of an application. */
async function imagesOf(app: string): Promise<string[]> {
  interface Pods {
    readonly items: readonly {
      readonly spec: {
        readonly initContainers?: readonly { readonly name: string; readonly image: string }[];
      };
    }[];
  }
  const { items } = await get<Pods>(
    'pods',
    '-n',
    NS,
    '-l',
    `app=${app}`,
    '--field-selector=status.phase=Running',
  );
  return items.flatMap(({ spec }) =>
    (spec.initContainers ?? []).filter(({ name }) => name === 'weft-proxy').map(({ image }) => image),
  );
}

/** A policy acts at proxies of whatever age. */
async function sendTo(version: string): Promise<void> {
  const routes = [{ split: [{ labels: { version } }] }];
  await apply(trafficPolicy(NS, 'server', { targetRefs: [{ kind: 'Service', name: 'server' }], routes }));
  await eventually(
    'the policy is programmed',
    async () => (await condition(NS, 'server', 'Programmed'))?.status === 'True',
    60,
  );
  const { versions, failures } = await load(NS, 'deploy/client', '-url', URL, '-rate', '50', '-count', '20');
  expect([versions, failures]).toEqual([{ [version]: 20 }, {}]);
}

async function expectImage(app: string, tag: string): Promise<void> {
  const images = await imagesOf(app);
  expect(images.length).toBeGreaterThan(0);
  expect(new Set(images)).toEqual(new Set([`docker.io/weft/weft:${tag}`]));
}

test('kinds and control plane are upgraded, and no call of proxies of before fails', async () => {
  await expectImage('server', 'previous');
  sent += await underTraffic(CALLERS, () => installWeft());
  await expectImage('server', 'previous');
  expect(await weft('check')).toMatch(/Weft is in order/);
});

test('policies act at proxies of before, and at those of now beside them', async () => {
  await sendTo('v2');
  await deploy({ namespace: NS, name: 'young' }, { namespace: NS, name: 'young-server' });
  await expectImage('young', 'dev');
  for (const [caller, callee] of [
    ['young', 'server'],
    ['client', 'young-server'],
  ]) {
    const report = await load(NS, `deploy/${caller}`, '-url', `http://${callee}:8080/`, '-count', '50');
    expect([caller, report.failures, report.requests]).toEqual([caller, {}, 50]);
  }
});

test('the callee gets proxies of now, a pod after the other, and no call fails', async () => {
  await sendTo('v1');
  sent += await underTraffic(CALLERS, async () => {
    await kubectl('rollout', 'restart', '-n', NS, 'deployment/server-v1', 'deployment/server-v2');
    for (const name of ['server-v1', 'server-v2'])
      await kubectl('rollout', 'status', '-n', NS, `deployment/${name}`, '--timeout=120s');
  });
  await eventually('all have proxies of now', async () =>
    (await imagesOf('server')).every((image) => image.endsWith(':dev')),
  );
});

test('the way back: the control plane of before serves proxies of now, and no call fails', async () => {
  sent += await underTraffic(CALLERS, () => helm('rollback', 'weft', '1', '--wait'));
  await sendTo('v2');
  sent += await underTraffic(CALLERS, () => installWeft());
  await sendTo('v1');
});
