import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-rate';
const PLAIN = 'e2e-rate-plain';
const POLICY = { targetRefs: [{ kind: 'Service', name: 'server' }] };

/** Answers to so many requests at so many a second, by their status. */
async function statuses(
  from: string,
  count: number,
  rate: number,
  path = '/',
): Promise<Readonly<Record<string, number>>> {
  const url = `http://server.${NS}:8080${path}`;
  const report = await load(from, 'deploy/client', '-url', url, '-count', `${count}`, '-rate', `${rate}`);
  return report.statuses;
}

async function limitedBy(...rateLimit: object[]): Promise<void> {
  await apply(trafficPolicy(NS, 'limits', { ...POLICY, rateLimit }));
  await waitForCondition(NS, 'limits', 'Programmed', 'True');
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(PLAIN, {})]);
  await deploy(
    { namespace: NS, name: 'server', replicas: 2 },
    { namespace: NS, name: 'client' },
    { namespace: PLAIN, name: 'client' },
  );
});

afterAll(() => kubectl('delete', 'namespace', NS, PLAIN, '--wait=false'));

test('the pods of a Service let in together what the policy says, and answer 429 to the rest', async () => {
  await limitedBy({ requests: 20, per: '1s', burst: 20 });
  const startedAt = performance.now();
  const { 200: served = 0, 429: refused = 0 } = await statuses(NS, 1000, 100);
  const seconds = (performance.now() - startedAt) / 1_000;
  expect(served + refused).toBe(1000);
  // Ten seconds of 20, less where this machine stalled for longer than a burst is deep.
  expect(served).toBeGreaterThanOrEqual(150);
  expect(served).toBeLessThanOrEqual(20 * seconds + 22);
});

test('callers are told apart by their identity, and one without is no exception', async () => {
  await limitedBy({ requests: 10, per: '1h', key: [{ caller: 'ServiceAccount' }], scope: 'Pod' });
  const meshed = await statuses(NS, 60, 50);
  expect(meshed).toEqual({ 200: 20, 429: 40 });
  // Its connections stay with the pods that kube-proxy chose.
  const { 200: served = 0, 429: refused = 0 } = await statuses(PLAIN, 60, 50);
  expect([10, 20]).toContain(served);
  expect(served + refused).toBe(60);
});

test('only requests that match are limited', async () => {
  const match = [{ path: { prefix: '/login' } }];
  await limitedBy({ name: 'logins', requests: 10, per: '1h', match, scope: 'Pod' });
  expect(await statuses(NS, 60, 50, '/login')).toEqual({ 200: 20, 429: 40 });
  expect(await statuses(NS, 60, 50)).toEqual({ 200: 60 });
});

test('a request takes what it costs', async () => {
  await limitedBy({ name: 'costly', requests: 10, per: '1h', cost: { amount: 5 }, scope: 'Pod' });
  expect(await statuses(NS, 20, 50)).toEqual({ 200: 4, 429: 16 });
});

test('a dry run refuses nothing and counts what it would have', async () => {
  await limitedBy({ requests: 1, per: '1h', mode: 'DryRun' });
  expect(await statuses(NS, 20, 50)).toEqual({ 200: 20 });
  await eventually('the proxies say how many', async () => {
    const pods = await podsOf(NS, 'app=server');
    const said = await Promise.all(pods.map((pod) => proxyMetrics(NS, pod)));
    // Each pod lets one in.
    return [18, 19].includes(sum(said.flat(), 'weft_rate_limit_would_refuse_total'));
  });
});

test('what the pods of a Service send is limited in their own proxies, and others send as before', async () => {
  await apply([
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: NS, name: 'senders' },
      spec: { clusterIP: 'None', selector: { app: 'client' } },
    },
  ]);
  const policy = { targetRefs: [{ kind: 'Service', name: 'senders' }] };
  const to = { kind: 'Service', name: 'server' };
  await apply(
    trafficPolicy(NS, 'limits', { ...policy, rateLimit: [{ name: 'sent', to, requests: 10, per: '1h' }] }),
  );
  await waitForCondition(NS, 'limits', 'Programmed', 'True');
  expect(await statuses(NS, 30, 50)).toEqual({ 200: 10, 429: 20 });
  expect(await statuses(PLAIN, 30, 50)).toEqual({ 200: 30 });
  await eventually('the proxy of the sender says how many', async () => {
    const [pod = ''] = await podsOf(NS, 'app=client');
    const said = await proxyMetrics(NS, pod);
    return sum(said, 'weft_rate_limit_refused_total') === 20;
  });
});

test('without the policy everything is let in again', async () => {
  await kubectl('delete', 'trafficpolicy', 'limits', '-n', NS);
  await eventually('nothing is refused', async () => (await statuses(NS, 20, 50))[200] === 20, 30);
});
