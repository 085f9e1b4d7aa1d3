import { spawn, type ChildProcess } from 'node:child_process';
import { kill } from 'node:process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { condition, trafficPolicy } from '../support/policy.js';
import { replicas, streamsOf, type Replica } from '../support/replicas.js';
import { apply, eventually, kubeTools, kubectl } from '../support/run.js';
import { underTraffic } from '../support/traffic.js';

// The replicas of the control plane that the chart ships, killed, frozen and restarted under traffic.

const NS = 'e2e-replicas';
const URL = 'http://reviews:8080/';
const CALLERS = ['client-a', 'client-b'];
const SENDERS = CALLERS.map((caller, index) => ({
  namespace: NS,
  target: `deploy/${caller}`,
  flags: ['-url', URL, '-rate', '20', ...(index === 0 ? ['-fresh'] : [])],
}));

let watcher: ChildProcess;
/** Every `Programmed` that anybody who watches the policy has seen, in order. */
const seen: { readonly generation: number; readonly status: string; readonly reason: string }[] = [];
const frozen = new Set<number>();
let version = 'v1';
let probes = 0;

beforeAll(async () => {
  await replicas();
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'reviews-v1', service: 'reviews', version: 'v1' },
    { namespace: NS, name: 'reviews-v2', service: 'reviews', version: 'v2' },
    ...CALLERS.map((name) => ({ namespace: NS, name })),
  );
  await applyPolicy();
  await inEffect();
  watcher = await watchPolicy();
});

afterAll(async () => {
  for (const pid of frozen) kill(pid, 'SIGCONT');
  watcher.kill();
  await kubectl('delete', 'namespace', NS, '--wait=false');
  await replicas();
});

/** Sends all requests to the other version: who follows it has the newest policy. */
async function applyPolicy(): Promise<void> {
  version = version === 'v1' ? 'v2' : 'v1';
  const routes = [{ split: [{ labels: { version } }] }];
  await apply(trafficPolicy(NS, 'reviews', { targetRefs: [{ kind: 'Service', name: 'reviews' }], routes }));
}

async function followed(caller: string): Promise<boolean> {
  const report = await load(NS, `deploy/${caller}`, '-url', URL, '-rate', '50', '-count', '10');
  return report.versions[version] === 10;
}

const programmed = async (): Promise<boolean> =>
  (await condition(NS, 'reviews', 'Programmed'))?.status === 'True';

/** The policy acts at every caller by the time its status says so. */
async function inEffect(): Promise<void> {
  await eventually('the policy is programmed', programmed, 40);
  for (const caller of CALLERS) expect([caller, await followed(caller)]).toEqual([caller, true]);
}

async function watchPolicy(): Promise<ChildProcess> {
  const where = '{.status.conditions[?(@.type=="Programmed")]';
  const output = `jsonpath=${where}.observedGeneration} ${where}.status} ${where}.reason}{"\\n"}`;
  const child = spawn('kubectl', ['get', 'trafficpolicy', 'reviews', '-n', NS, '--watch', '-o', output], {
    env: await kubeTools(),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const [generation = '', status = '', reason = ''] = line.trim().split(' ');
    if (reason !== '') seen.push({ generation: Number(generation), status, reason });
  });
  await eventually('the watch tells', async () => Promise.resolve(seen.length > 0));
  return child;
}

/** A new pod is admitted, gets a certificate and its configuration, and calls by the newest policy. */
async function expectNewPods(): Promise<void> {
  const name = `probe-${++probes}`;
  await deploy({ namespace: NS, name });
  await eventually('the new pod follows the policy', () => followed(name), 20);
}

function freeze({ pid }: Replica): void {
  kill(pid, 'SIGSTOP');
  frozen.add(pid);
}

function thaw({ pid }: Replica): void {
  kill(pid, 'SIGCONT');
  frozen.delete(pid);
}

/** All callers are with the other replica, since this one just ended: nothing is proved by one that nobody is with. */
async function expectCallersAt(replica: Replica): Promise<void> {
  await eventually('the callers are with the replica', async () => (await streamsOf(replica)) > 0, 30);
}

test('the leader crashes: its container restarts, callers move, and a policy acts meanwhile', async () => {
  const [leader, other] = await replicas();
  await underTraffic(SENDERS, async () => {
    kill(leader.pid, 'SIGKILL');
    await applyPolicy();
    await inEffect();
    await expectNewPods();
    await expectCallersAt(other);
  });
});

test('the replica that all callers are with hangs: they move, and nothing is called programmed before', async () => {
  const [, other] = await replicas();
  await expectCallersAt(other);
  await underTraffic(SENDERS, async () => {
    freeze(other);
    await applyPolicy();
    await Promise.all([inEffect(), expectNewPods()]);
    thaw(other);
  });
});

test('the leader hangs: another one leads, and the one that wakes overwrites nothing', async () => {
  const [leader, other] = await replicas();
  await underTraffic(SENDERS, async () => {
    freeze(leader);
    await applyPolicy();
    await Promise.all([inEffect(), expectNewPods()]);
    await expectCallersAt(other);
    await applyPolicy();
    thaw(leader);
    await inEffect();
  });
});

test('both crash at once: traffic goes on, and what is applied before they are back acts when they are', async () => {
  const both = await replicas();
  await underTraffic(SENDERS, async () => {
    for (const { pid } of both) kill(pid, 'SIGKILL');
    await applyPolicy();
    await inEffect();
    await expectNewPods();
  });
});

test('the replica that is deleted hands its callers over', async () => {
  const [leader] = await replicas();
  await underTraffic(SENDERS, async () => {
    await kubectl('delete', 'pod', '-n', 'weft-system', leader.name, '--wait=false');
    await applyPolicy();
    await inEffect();
    await expectNewPods();
  });
});

test('through all of it the status of no generation went back from programmed', () => {
  const flapped = seen.filter(
    ({ generation, status }, index) =>
      status === 'False' &&
      seen.slice(0, index).some((before) => before.generation === generation && before.status === 'True'),
  );
  expect(flapped).toEqual([]);
  expect(new Set(seen.map(({ generation }) => generation)).size).toBeGreaterThanOrEqual(6);
});
