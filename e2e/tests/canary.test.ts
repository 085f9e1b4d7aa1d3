import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploy, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-canary';
const URL = 'http://reviews:8080/';

function canary(v1: number, v2: number): object {
  return trafficPolicy(NS, 'reviews', {
    targetRefs: [{ kind: 'Service', name: 'reviews', port: 8080 }],
    routes: [
      {
        name: 'testers',
        match: [{ headers: [{ name: 'x-group', exact: 'beta' }], path: { prefix: '/api' } }],
        split: [{ labels: { version: 'v2' } }],
      },
      {
        name: 'canary',
        split: [
          { labels: { version: 'v1' }, weight: v1 },
          { labels: { version: 'v2' }, weight: v2 },
        ],
      },
    ],
  });
}

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'reviews-v1', service: 'reviews', version: 'v1' },
    { namespace: NS, name: 'reviews-v2', service: 'reviews', version: 'v2' },
    { namespace: NS, name: 'caller', replicas: 10 },
  );
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('without a policy every version answers', async () => {
  const report = await load(NS, 'deploy/caller', '-url', URL, '-count', '200', '-rate', '200');
  expect(report.failed).toBe(0);
  expect(Object.keys(report.versions).sort()).toEqual(['v1', 'v2']);
});

test('10,000 requests split 90/10 within the 99.99 % binomial interval', async () => {
  await apply(canary(90, 10));
  await waitForCondition(NS, 'reviews', 'Programmed', 'True');
  const report = await load(
    NS,
    'deploy/caller',
    '-url',
    URL,
    '-count',
    '10000',
    '-rate',
    '0',
    '-duration',
    '120s',
  );
  expect(report.failures).toEqual({});
  expect(report.requests).toBe(10_000);
  // 10,000 x 0.1 +- 3.89 standard deviations of 30.
  expect(report.versions['v2']).toBeGreaterThan(883);
  expect(report.versions['v2']).toBeLessThan(1117);
});

test('a header and path match wins over weights, and only where both hold', async () => {
  const flags = ['-count', '300', '-rate', '300'];
  const beta = await load(NS, 'deploy/caller', '-url', `${URL}api/x`, '-headers', 'x-group=beta', ...flags);
  expect(beta.versions).toEqual({ v2: 300 });
  const elsewhere = await load(
    NS,
    'deploy/caller',
    '-url',
    `${URL}apix`,
    '-headers',
    'x-group=beta',
    ...flags,
  );
  expect(elsewhere.versions['v1']).toBeGreaterThan(200);
});

test('a change to 0/100 under load from ten pods takes effect at all of them and loses nothing', async () => {
  const pods = await podsOf(NS, 'app=caller');
  expect(pods).toHaveLength(10);
  const flags = ['-url', URL, '-rate', '20', '-connections', '4', '-duration', '9s'];
  const running = Promise.all(pods.map((pod) => load(NS, `pod/${pod}`, ...flags)));
  await sleep(4000); // all ten are under way: the reports below would show it if they were not
  await apply(canary(0, 100));
  const applied = Date.now();
  const reports = await running;

  // How long it took is told and not judged: that is the benchmark's, on a machine that does nothing else.
  const lag = Math.max(...reports.map((r) => (r.lastSeen['v1'] ?? 0) - applied));
  const share = reports.map((r) => r.versions['v1'] ?? 0);
  console.log(`last answer of the old version ${lag} ms after kubectl apply returned`);
  expect(Math.min(...share)).toBeGreaterThan(0); // positive control: the old version answered before, everywhere
  expect(reports.map((r) => r.failures)).toEqual(reports.map(() => ({})));
  await eventually('the old version answers nobody any more', async () => {
    const later = await Promise.all(
      pods.map((pod) => load(NS, `pod/${pod}`, '-url', URL, '-rate', '20', '-count', '20')),
    );
    const old = later.map(({ versions }) => versions['v1'] ?? 0);
    if (old.some((count) => count > 0))
      throw new Error(`of 20 requests each, the old version still answers ${old.join(', ')}`);
    return true;
  });
});

test("both proxies' metrics name their peers", async () => {
  const [caller, reviews] = [await podsOf(NS, 'app=caller'), await podsOf(NS, 'app=reviews')];
  const identity = (account: string): string => `spiffe://cluster.local/ns/${NS}/sa/${account}`;
  const count = async (pods: string[], direction: string, peer: string): Promise<number> => {
    const samples = await Promise.all(pods.map((pod) => proxyMetrics(NS, pod)));
    return sum(samples.flat(), 'weft_requests_total', { direction, peer: identity(peer), tls: 'mutual' });
  };
  await eventually(
    'the receivers count the callers',
    async () => (await count(reviews, 'inbound', 'caller')) >= 10_000,
  );
  expect(await count(caller, 'outbound', 'reviews')).toBeGreaterThanOrEqual(10_000);
});
