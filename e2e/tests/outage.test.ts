import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { condition, trafficPolicy } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';
import { REPLICAS, scaleControlPlane } from '../support/weft.js';

const NS = 'e2e-outage';
const URL = 'http://reviews:8080/';
const FLAGS = ['-rate', '50', '-count', '250'];

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'reviews-v1', service: 'reviews', version: 'v1', replicas: 2 },
    { namespace: NS, name: 'reviews-v2', service: 'reviews', version: 'v2' },
    { namespace: NS, name: 'other' },
    { namespace: NS, name: 'client' },
  );
  await load(NS, 'deploy/client', '-url', URL, ...FLAGS); // the destination is known before the outage
});

afterAll(async () => {
  await scaleControlPlane(REPLICAS);
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

test('without a control plane, old and new connections to a known destination work', async () => {
  const running = load(NS, 'deploy/client', '-url', URL, '-rate', '50', '-duration', '25s');
  await scaleControlPlane(0);
  const fresh = await load(NS, 'deploy/client', '-url', URL, '-fresh', ...FLAGS);
  expect(fresh.failures).toEqual({});
  expect((await running).failures).toEqual({});
});

test('an endpoint that goes away is survived by retrying another', async () => {
  const pods = await podsOf(NS, 'app=reviews,version=v1');
  await kubectl('delete', 'pod', '-n', NS, pods[0]!, '--grace-period=1', '--wait=true');
  const report = await load(NS, 'deploy/client', '-url', URL, ...FLAGS);
  expect(report.failures).toEqual({});
});

test('a destination never seen before passes through, and is counted', async () => {
  const report = await load(NS, 'deploy/client', '-url', 'http://other:8080/', '-rate', '20', '-count', '40');
  expect(report.failures).toEqual({});
  const [pod] = await podsOf(NS, 'app=client');
  const samples = await proxyMetrics(NS, pod!);
  expect(sum(samples, 'weft_passthrough_total', { reason: 'control-plane-unreachable' })).toBeGreaterThan(0);
});

test('when the control plane returns, a new policy takes effect with no restart', async () => {
  await scaleControlPlane(REPLICAS);
  const split = [{ labels: { version: 'v2' } }];
  await apply(
    trafficPolicy(NS, 'reviews', { targetRefs: [{ kind: 'Service', name: 'reviews' }], routes: [{ split }] }),
  );
  // Until the proxies have come back the policy is Programmed with reason NoSubscribers.
  await eventually(
    'the proxies have acknowledged the policy',
    async () => (await condition(NS, 'reviews', 'Programmed'))?.reason === 'Programmed',
  );
  const report = await load(NS, 'deploy/client', '-url', URL, ...FLAGS);
  expect(report.versions).toEqual({ v2: 250 });
});

test('a cold start: pods that are to come while there is no control plane come when it is there, with their proxies', async () => {
  await scaleControlPlane(0);
  await kubectl('delete', 'pods', '-n', NS, '--all', '--grace-period=1', '--wait=true');
  const refused = async (): Promise<boolean> =>
    /failed calling webhook/.test(
      await kubectl('get', 'events', '-n', NS, '--field-selector=reason=FailedCreate'),
    );
  await eventually('pods are refused, and none comes without its proxy', refused);
  expect(await podsOf(NS, 'app')).toEqual([]);
  await scaleControlPlane(REPLICAS);
  // What the page on operations says to do, since ReplicaSets try again at growing intervals.
  for (const name of ['reviews-v1', 'reviews-v2', 'other', 'client']) {
    await kubectl('rollout', 'restart', '-n', NS, `deployment/${name}`);
    await kubectl('rollout', 'status', '-n', NS, `deployment/${name}`, '--timeout=120s');
  }
  const report = await load(NS, 'deploy/client', '-url', URL, ...FLAGS);
  expect(report.failures).toEqual({});
  expect(report.versions).toEqual({ v2: 250 });
}, 420_000);
