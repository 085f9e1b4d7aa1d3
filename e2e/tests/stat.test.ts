import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { replicas, streamsOf } from '../support/replicas.js';
import { apply, eventually, kubectl, run } from '../support/run.js';
import { weft } from '../support/weft.js';

// What people see of the traffic in the terminal, from both replicas of the control plane, without Prometheus.

const NS = 'e2e-stat';
const CALLERS = ['client-a', 'client-b', 'client-c', 'client-d'];
const URL = 'http://server:8080';

interface Row {
  readonly namespace: string;
  readonly name: string;
  readonly caller?: string;
  readonly callee?: string;
  readonly tls?: readonly string[];
  readonly signals: {
    readonly perSecond: number;
    readonly successRate?: number;
    readonly p99Ms?: number;
    readonly mutualTls?: number;
  };
}

interface Said {
  readonly proxies: number;
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
}

async function said(...args: string[]): Promise<Said> {
  return JSON.parse(await weft(...args, '-n', NS, '-o', 'json')) as Said;
}

async function rowOf(name: string, ...args: string[]): Promise<Row | undefined> {
  return (await said(...args)).rows.find((row) => row.name === name);
}

const call = (caller: string, path: string, count: number): Promise<unknown> =>
  load(NS, `deploy/${caller}`, '-url', `${URL}${path}`, '-rate', '50', '-count', String(count));

beforeAll(async () => {
  await run('npm', ['run', '--silent', 'build', '--', '--log-level=warning']);
  await replicas();
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server' }, ...CALLERS.map((name) => ({ namespace: NS, name })));
});

afterAll(async () => {
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

test('a failure is seen within three seconds, by somebody who has not looked before', async () => {
  await call('client-a', '/', 50);
  await eventually('all is well', async () => {
    const row = await rowOf('deployment/server', 'stat');
    return row !== undefined && row.signals.perSecond > 0 && row.signals.successRate === 1;
  });
  // Nobody looks for so long that the proxies report seldom again.
  await new Promise((done) => setTimeout(done, 45_000));
  await call('client-a', '/status/500', 5);
  const began = Date.now();
  const row = await eventually(
    'the failure shows',
    async () => {
      const found = await rowOf('deployment/server', 'stat', '--since', '10s');
      return found !== undefined && (found.signals.successRate ?? 1) < 1 ? found : undefined;
    },
    10,
  );
  const tookMs = Date.now() - began;
  expect(row.signals.mutualTls).toBe(1);
  expect(tookMs).toBeLessThan(3_000);
});

test('proxies of both replicas are counted, each once', async () => {
  const both = await replicas();
  const streams = await Promise.all(both.map(streamsOf));
  expect(Math.min(...streams)).toBeGreaterThan(0);
  await eventually('every proxy reports', async () => {
    const { proxies } = await said('stat');
    return proxies === streams.reduce((sum, count) => sum + count, 0);
  });
  await Promise.all(CALLERS.map((caller) => call(caller, '/', 100)));
  await eventually('all calls of all callers are there', async () => {
    const { rows } = await said('edges', '--since', '5m');
    const calls = rows.filter(({ callee }) => callee === `${NS}/server`);
    const callers = new Set(calls.map(({ caller = '' }) => caller.split('/').at(-1)));
    return (
      CALLERS.every((caller) => callers.has(caller)) && calls.every(({ tls }) => tls?.join() === 'mutual')
    );
  });
  // By the word of the server's own proxy, and by those of its callers.
  const [own, callers] = [
    await rowOf('deployment/server', 'stat', '--since', '5m'),
    await rowOf('server', 'stat', 'svc', '--since', '5m'),
  ];
  expect(own?.signals.perSecond).toBeGreaterThan(0);
  const [a, b] = [own?.signals.perSecond ?? 0, callers?.signals.perSecond ?? 0];
  expect(Math.abs(a - b) / a).toBeLessThan(0.25);
});

test('people see tables, and routes by name', async () => {
  await call('client-b', '/', 20);
  expect(await weft('edges', '-n', NS)).toMatch(
    /FROM +TO +TLS +SUCCESS +RPS[^]*e2e-stat\/client-b +e2e-stat\/server +mutual/,
  );
  expect(await weft('routes', 'server', '-n', NS)).toMatch(/ROUTE +BACKENDS +SUCCESS/);
  expect(await weft('stat', 'ns')).toMatch(/NAME +SUCCESS[^]*e2e-stat/);
});

test('a pod that asks without a token, or with its own, sees nothing', async () => {
  const [{ name }] = await replicas();
  const path = `/api/v1/namespaces/weft-system/pods/https:${name}:15114/proxy/traffic`;
  await expect(kubectl('get', '--raw', path)).rejects.toThrow(/token/);
});
