import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type App, deploy, inPod, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { installGatewayApi } from '../support/gateway.js';
import { condition, trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, kubectl } from '../support/run.js';

const NS = 'e2e-routing';
const LAB = 'e2e-routing-lab';
const CALLER = 'deploy/caller';
const on = (name: string) => [{ kind: 'Service', name, port: 8080 }];

/** A service of the chain a -> b -> c in a lane. */
const chained = (name: string, lane: string, next?: string): App => ({
  namespace: NS,
  name: `${name}-${lane}`,
  service: name,
  version: `${name}-${lane}`,
  labels: { lane },
  ...(next === undefined ? {} : { upstreams: [`http://${next}:8080/`] }),
});

beforeAll(async () => {
  await apply([namespace(NS), namespace(LAB)]);
  await deploy(
    { namespace: NS, name: 'caller' },
    { namespace: NS, name: 'server', version: 'v1' },
    { namespace: NS, name: 'next', version: 'next' },
    { namespace: LAB, name: 'server', version: 'lab' },
    chained('a', 'main', 'b'),
    chained('a', 'blue', 'b'),
    chained('b', 'main', 'c'),
    chained('c', 'main'),
    chained('c', 'blue'),
    chained('c', 'green'),
  );
});

afterAll(() => kubectl('delete', 'namespace', NS, LAB, '--wait=false'));

/** Sets the policy on `server` and waits until proxies have it. */
async function serverPolicy(route: object, targetRefs: object[] = on('server')): Promise<void> {
  await apply(trafficPolicy(NS, 'server', { targetRefs, routes: [{ name: 'all', ...route }] }));
  await load(NS, CALLER, '-url', 'http://server:8080/', '-count', '1');
  await waitForCondition(NS, 'server', 'Programmed', 'True');
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** One request of the caller, and what came back. */
async function send(...flags: string[]): Promise<Answer> {
  return JSON.parse(await inPod(NS, CALLER, 'request', ...flags)) as Answer;
}

async function metric(name: string, labels: Record<string, string>): Promise<number> {
  const [pod] = await podsOf(NS, 'app=caller');
  return sum(await proxyMetrics(NS, pod ?? ''), name, labels);
}

test('every second request is copied to another service, and answers are compared', async () => {
  const service = { name: 'next' };
  const compare = { headers: ['x-version'] };
  await serverPolicy({ mirror: [{ service, fraction: { numerator: 1, denominator: 2 }, compare }] });
  const report = await load(NS, CALLER, '-url', 'http://server:8080/', '-count', '1000', '-rate', '200');
  expect(report.versions).toEqual({ v1: 1000 });
  const backend = { backend: `${NS}/next:8080` };
  const copies = await eventually('copies are counted', async () => {
    const count = await metric('weft_mirrored_requests_total', { ...backend, result: '200' });
    return count >= 420 && count;
  });
  // Binomial(1000, 1/2) has a standard deviation of 15.8; 5 of them.
  expect(copies).toBeLessThanOrEqual(580);
  const [next] = await podsOf(NS, 'app=next');
  const inbound = sum(await proxyMetrics(NS, next ?? ''), 'weft_requests_total', { direction: 'inbound' });
  expect(inbound).toBeGreaterThanOrEqual(420);
  expect(
    await metric('weft_mirror_differences_total', { ...backend, kind: 'header:x-version' }),
  ).toBeGreaterThanOrEqual(420);
});

test("a preflight is answered by the caller's proxy", async () => {
  const allowOrigins = ['https://*.shop.example'];
  await serverPolicy({ cors: { allowOrigins, allowMethods: ['PUT'], maxAge: '10m' } });
  const { status, headers } = await send(
    '-method',
    'OPTIONS',
    '-url',
    'http://server:8080/',
    '-headers',
    'origin=https://www.shop.example;access-control-request-method=PUT',
  );
  expect(status).toBe(204);
  expect(headers).toMatchObject({
    'access-control-allow-origin': 'https://www.shop.example',
    'access-control-allow-methods': 'PUT',
    'access-control-max-age': '600',
  });
  const answer = await send('-url', 'http://server:8080/', '-headers', 'origin=https://evil.example');
  expect(answer.status).toBe(200);
  expect(answer.headers['access-control-allow-origin']).toBeUndefined();
});

test('a Service of another namespace takes its share, once that namespace permits it', async () => {
  await installGatewayApi();
  const from = { group: 'weft.dev', kind: 'TrafficPolicy', namespace: NS };
  await apply({
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'ReferenceGrant',
    metadata: { name: 'shares', namespace: LAB },
    spec: { from: [from], to: [{ group: '', kind: 'Service' }] },
  });
  await serverPolicy({ split: [{ weight: 3 }, { service: { name: 'server', namespace: LAB }, weight: 1 }] });
  const report = await load(NS, CALLER, '-url', 'http://server:8080/', '-count', '1000', '-rate', '300');
  expect(report.failed).toBe(0);
  // Binomial(1000, 1/4) has a standard deviation of 13.7; 5 of them.
  expect(report.versions['lab']).toBeGreaterThan(181);
  expect(report.versions['lab']).toBeLessThan(319);
});

test('a default of the namespace holds until a Service has a policy of its own', async () => {
  await kubectl('delete', 'trafficpolicy', 'server', '-n', NS, '--ignore-not-found');
  const answer = { directResponse: { status: 418 } };
  const matched = { match: [{ path: { prefix: '/teapot' } }], ...answer };
  await apply(
    trafficPolicy(NS, 'defaults', {
      targetRefs: [{ kind: 'Namespace', name: NS, port: 8080 }],
      routes: [matched, { name: 'rest' }],
    }),
  );
  const statuses = async (service: string): Promise<Record<string, number>> =>
    (await load(NS, CALLER, '-url', `http://${service}:8080/teapot`, '-count', '5', '-rate', '100')).statuses;
  await eventually('the default is in force', async () => (await statuses('server'))['418'] === 5);
  expect(await statuses('next')).toEqual({ 418: 5 });
  expect(await condition(NS, 'defaults', 'Accepted')).toMatchObject({ status: 'True' });
  await serverPolicy({});
  await eventually('the own policy wins', async () => (await statuses('server'))['200'] === 5);
  expect(await statuses('next')).toEqual({ 418: 5 });
  await kubectl('delete', 'trafficpolicy', 'defaults', 'server', '-n', NS);
});

test('a request stays in its lane where the lane is, over three hops', async () => {
  const split = [{ labels: { lane: 'blue' }, fallback: true, fallbackLabels: { lane: 'main' } }];
  await apply(
    trafficPolicy(NS, 'lanes', {
      targetRefs: ['a', 'b', 'c'].flatMap(on),
      routes: [
        { name: 'blue', match: [{ headers: [{ name: 'x-lane', exact: 'blue' }] }], split },
        { name: 'main', split: [{ labels: { lane: 'main' } }] },
      ],
    }),
  );
  const path = async (...flags: string[]): Promise<string> => {
    const { body } = await send('-url', 'http://a:8080/', ...flags);
    // Each answer holds those of the services behind it.
    return [...body.matchAll(/"version":\s*"([abc]-[a-z]+)/g)].map(([, version]) => version).join(' ');
  };
  const blue = ['-headers', 'x-lane=blue'];
  await eventually('the main lane', async () => (await path()) === 'a-main b-main c-main');
  await eventually('the blue lane', async () => (await path(...blue)) === 'a-blue b-main c-blue');
  for (let round = 0; round < 10; round++) expect(await path(...blue)).toBe('a-blue b-main c-blue');
  await kubectl('scale', '-n', NS, 'deployment/c-blue', '--replicas=0');
  await eventually('c has no blue lane', async () => (await path(...blue)) === 'a-blue b-main c-main');
  // Never the green one, whatever is left of the service.
  for (let round = 0; round < 10; round++) expect(await path(...blue)).toBe('a-blue b-main c-main');
});
