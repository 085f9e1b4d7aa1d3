import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { metricsPath } from './mesh.fixture.js';
import type { MeshPod } from './pod-list.js';
import { Scraper, type Scraped } from './scraper.js';
import { scrape, shopIdentity } from './shop.fixture.js';

let api: ApiServer;
let client: KubeClient;
let now: number;
let scraper: Scraper;
const { signal } = new AbortController();

beforeEach(async () => {
  api = await ApiServer.start();
  client = connectPlain(api.url);
  now = 1_000_000;
  scraper = new Scraper(client, { now: () => now, monotonic: () => now });
  serve('web', () => `${count()}unrelated_family_total 5\n`);
});

afterEach(async () => {
  client.close();
  await api.stop();
});

/** One request a millisecond. */
function count(): string {
  return scrape({ direction: 'inbound', destination: 'shop/web:8080', peer: '', codes: { 200: now } });
}

function serve(name: string, text: () => string): void {
  api.onGet(metricsPath(name), text);
}

function pod(name: string): MeshPod {
  const view = {
    name: `${name}-5d9c7b8f6-x2x4q`,
    workload: `Deployment/${name}`,
    identity: shopIdentity(name),
    proxyVersion: 'dev',
    injection: 'injected',
    ready: true,
    phase: 'Running',
    lacksProxy: false,
  };
  return { uid: name, namespace: 'shop', scrapable: true, controlPlane: false, ended: false, view };
}

async function after(ms: number, ...pods: MeshPod[]): Promise<Scraped> {
  now += ms;
  return scraper.scrape(pods, signal);
}

test('the window grows to ten seconds and then moves along', async () => {
  const seconds: (number | undefined)[] = [];
  for (let look = 0; look < 8; look += 1)
    seconds.push((await after(2_000, pod('web'))).intervals.get('web')?.seconds);
  expect(seconds).toEqual([0, 2, 4, 6, 8, 10, 10, 10]);
});

test('after a pause the old scrapes are forgotten, because their mean would be of the pause', async () => {
  await after(0, pod('web'));
  expect((await after(60_000, pod('web'))).intervals.get('web')?.seconds).toBe(0);
  expect((await after(2_000, pod('web'))).intervals.get('web')?.seconds).toBe(2);
});

test('only the families that the page shows are kept', async () => {
  const { intervals } = await after(0, pod('web'));
  expect(new Set(intervals.get('web')?.after.map(({ name }) => name))).toEqual(
    new Set([
      'weft_certificate_expiry_timestamp_seconds',
      'weft_requests_total',
      'weft_request_duration_seconds_bucket',
    ]),
  );
});

test('a pod that does not answer once is told why, and what it said before stands for a while', async () => {
  await after(0, pod('web'));
  await after(2_000, pod('web'));
  api.failNext(503);
  const failed = await after(2_000, pod('web'));
  expect([...failed.errors]).toEqual([['web', 'told to fail']]);
  expect(failed.intervals.get('web')?.seconds).toBe(2);
  expect((await after(2_000, pod('web'))).intervals.get('web')?.seconds).toBe(6);
  api.failNext(503);
  expect((await after(20_000, pod('web'))).intervals.size).toBe(0);
});

test('a pod that answers something else is said to, and more pods than go at once are all asked', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `pod-${index}`);
  for (const name of names) serve(name, count);
  serve('odd', () => '{"kind":"Status"}');
  const { intervals, errors } = await after(0, pod('odd'), ...names.map(pod));
  expect(intervals.size).toBe(40);
  expect([...errors]).toEqual([
    ['odd', expect.stringMatching(/^the proxy of shop\/odd\S* did not answer with metrics$/)],
  ]);
});
