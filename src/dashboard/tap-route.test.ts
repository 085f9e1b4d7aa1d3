import { request } from 'node:http';
import { afterAll, afterEach, beforeEach, expect, test } from '@jest/globals';
import { MeshError } from '../base/index.js';
import { connectPlain } from '../kube/index.js';
import { eventually } from '../testing/index.js';
import { startDashboard, type RunningDashboard } from './server.js';
import { TAPPED, WATCHED_SHOP, shopKnowledge, tapShop } from './shop-knowledge.fixture.js';
import type { TapLine } from './tap-view.js';

let stop: AbortController;
let dashboard: RunningDashboard;
/** What the next taps do; the shop's own without it. */
let tap: typeof tapShop;
const client = connectPlain('http://127.0.0.1:9');

beforeEach(async () => {
  stop = new AbortController();
  tap = tapShop;
  const knowledge = {
    ...shopKnowledge,
    tap: async (...given: Parameters<typeof tap>) => tap(...given),
  };
  const assets = { script: '', style: '' };
  dashboard = await startDashboard({ client, assets, knowledge, port: 0 }, stop.signal);
});

afterEach(async () => {
  stop.abort();
  await dashboard.closed;
});

afterAll(() => client.close());

/** Watches as a page does, which may leave. */
function watch(query: string): {
  readonly lines: TapLine[];
  readonly status: Promise<number>;
  leave(): void;
} {
  const leaving = new AbortController();
  const lines: TapLine[] = [];
  const response = fetch(new URL(`/api/tap?${query}`, dashboard.url), { signal: leaving.signal });
  void response
    .then(async ({ ok, body }) => {
      if (!ok || body === null) return;
      let rest = '';
      for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
        const whole = (rest + chunk).split('\n');
        rest = whole.pop() ?? '';
        lines.push(...whole.map((line) => JSON.parse(line) as TapLine));
      }
    })
    .catch(() => undefined);
  return { lines, status: response.then(({ status }) => status), leave: () => leaving.abort() };
}

test('requests are told line by line, and nobody is watched for a page that has left', async () => {
  const page = watch('namespace=shop&workload=Deployment/web&side=caller&from=web&to=reviews&status=5xx');
  await eventually('lines', () => page.lines.length > 3);
  expect(page.lines.slice(0, 2)).toEqual([
    { kind: 'watching', proxies: 4 },
    { kind: 'request', request: TAPPED, leftOut: 0 },
  ]);
  expect(WATCHED_SHOP.questions).toEqual([
    {
      namespace: 'shop',
      workload: 'Deployment/web',
      side: 'caller',
      from: 'web',
      to: 'reviews',
      status: '5xx',
      verdict: '',
    },
  ]);
  page.leave();
  await eventually('the watch ends', () => WATCHED_SHOP.questions.length === 0);
});

test('who stops the dashboard stops what it watches', async () => {
  const page = watch('namespace=shop');
  await eventually('lines', () => page.lines.length > 0);
  stop.abort();
  await eventually('the watch ends', () => WATCHED_SHOP.questions.length === 0);
});

test('three pages watch at once, and another may when one has left', async () => {
  const pages = [watch('namespace=shop'), watch('namespace=shop'), watch('namespace=shop')];
  await eventually('all watch', () => WATCHED_SHOP.questions.length === 3);
  expect(await watch('namespace=shop').status).toBe(429);
  pages[0]?.leave();
  await eventually('one has left', () => WATCHED_SHOP.questions.length === 2);
  expect(await watch('namespace=shop').status).toBe(200);
});

test('a flood is told in part, and how much was left out, also where nothing comes after it', async () => {
  const page = watch('namespace=shop');
  await eventually('lines', () => page.lines.length > 3);
  WATCHED_SHOP.flood(5_000);
  await eventually('what was left out is told', () =>
    page.lines.some((line) => line.kind === 'left-out' && line.leftOut > 4_000),
  );
  expect(page.lines.length).toBeLessThan(1_000);
});

test.each([
  ['', 'say which namespace'],
  ['namespace=..%2Fsecrets', 'not the name of a namespace'],
  ['namespace=shop&workload=Deployment%2F..%2Fx', 'a workload is written'],
  ['namespace=shop&side=both', 'a side is'],
  ['namespace=shop&status=six', 'a status is written'],
  ['namespace=shop&verdict=guilty', 'a verdict is one of'],
  [`namespace=shop&to=${'x'.repeat(400)}`, 'no name is that long'],
])('what cannot be asked is refused before anybody is watched: %s', async (query, why) => {
  const response = await fetch(new URL(`/api/tap?${query}`, dashboard.url));
  expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(why)]);
  expect(WATCHED_SHOP.questions).toEqual([]);
});

test('who may not watch is told why, as an answer or, where it began, as its last line', async () => {
  tap = () => Promise.reject(new MeshError('permission-denied', 'pods/exec is missing'));
  const refused = await fetch(new URL('/api/tap?namespace=shop', dashboard.url));
  expect([refused.status, await refused.json()]).toEqual([500, { error: 'pods/exec is missing' }]);
  tap = (_question, hear) => {
    hear({ kind: 'watching', proxies: 1 });
    return Promise.reject(new MeshError('unavailable', 'the node has gone'));
  };
  const page = watch('namespace=shop');
  await eventually('its last line', () => page.lines.length === 2);
  expect(page.lines[1]).toEqual({ kind: 'failed', error: 'the node has gone' });
});

test.each(['cross-site', 'same-site'])('a page that is %s cannot have anybody watched', async (site) => {
  const { port } = new URL(dashboard.url);
  const ask = (path: string): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const sent = request(
        { host: '127.0.0.1', port, path, headers: { 'sec-fetch-site': site } },
        (response) => {
          response.resume();
          resolve(response.statusCode);
        },
      );
      sent.on('error', reject).end();
    });
  expect(await ask('/api/tap?namespace=shop')).toBe(403);
  expect(WATCHED_SHOP.questions).toEqual([]);
  // A link may lead to the page itself.
  expect(await ask('/?view=live')).toBe(200);
});
