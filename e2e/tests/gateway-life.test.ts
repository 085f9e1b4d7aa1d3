import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { deploy, load, namespace } from '../support/app.js';
import { httpRoute, installGatewayApi, parent, request, routeCondition } from '../support/gateway.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { trafficPolicy } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { REPLICAS } from '../support/weft.js';

const NS = 'e2e-gateway-life';
const URL = 'http://front:8080/';
const CLIENT = 'deploy/client';

const route = (...rules: object[]): object =>
  httpRoute(NS, 'front', { parentRefs: [parent('front')], rules });
const to = (name: string, rest: object = {}): object => ({ ...rest, backendRefs: [{ name, port: 8080 }] });

async function version(path = ''): Promise<string | undefined> {
  return (await request(NS, CLIENT, URL + path)).headers['x-version'];
}

interface Pods {
  readonly items: {
    readonly metadata: { readonly uid: string };
    readonly status: { readonly containerStatuses: { readonly restartCount: number }[] };
  }[];
}

/** The pods of the control plane, and how often their containers have started again. */
async function controlPlane(): Promise<unknown[]> {
  const { items } = await get<Pods>('pods', '-n', 'weft-system', '-l', 'app.kubernetes.io/name=weft');
  return items.map(({ metadata, status }) => [
    metadata.uid,
    status.containerStatuses.map((c) => c.restartCount),
  ]);
}

beforeAll(async () => {
  await installGatewayApi();
  await apply(namespace(NS));
  await deploy(
    { namespace: NS, name: 'front', version: 'front' },
    { namespace: NS, name: 'one', version: 'one' },
    { namespace: NS, name: 'two', version: 'two' },
    { namespace: NS, name: 'client' },
  );
});

afterAll(async () => {
  await installGatewayApi();
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

test('a route deleted and made again under traffic loses no request', async () => {
  await apply(route(to('one')));
  await eventually('the route acts', async () => (await version()) === 'one');
  const running = load(NS, CLIENT, '-url', URL, '-rate', '100', '-duration', '10s');
  await sleep(1000);
  for (let round = 0; round < 3; round++) {
    await kubectl('delete', 'httproute', 'front', '-n', NS);
    await sleep(1000);
    await apply(route(to('one')));
    await sleep(1000);
  }
  const report = await running;
  expect(report.failures).toEqual({});
  expect(Object.keys(report.versions).sort()).toEqual(['front', 'one']);
});

test('a change of the backend under traffic takes effect and loses nothing', async () => {
  await apply(route(to('one')));
  await eventually('the route acts', async () => (await version()) === 'one');
  const running = load(NS, CLIENT, '-url', URL, '-rate', '50', '-duration', '6s');
  await sleep(3000);
  await apply(route(to('two')));
  const report = await running;
  expect(report.failures).toEqual({});
  expect(report.versions['two']).toBeGreaterThan(20);
  await eventually('the former backend answers no more', async () => {
    const { versions } = await load(NS, CLIENT, '-url', URL, '-rate', '50', '-count', '50');
    return versions['two'] === 50;
  });
});

test('a request that takes longer than the timeout is answered 504', async () => {
  await apply(
    route(
      to('one', {
        matches: [{ path: { type: 'PathPrefix', value: '/delay' } }],
        timeouts: { request: '300ms' },
      }),
      to('two'),
    ),
  );
  await eventually('the timeout acts', async () => {
    const { status, millis } = await request(NS, CLIENT, `${URL}delay/2s`);
    return status === 504 && millis < 1500;
  });
  expect((await request(NS, CLIENT, `${URL}delay/10ms`)).status).toBe(200);
});

test('a backend that takes longer than its timeout is answered 504; none means for ever', async () => {
  await apply(route(to('one', { timeouts: { request: '10s', backendRequest: '300ms' } })));
  await eventually('the timeout acts', async () => {
    const { status, millis } = await request(NS, CLIENT, `${URL}delay/5s`);
    return status === 504 && millis < 4000;
  });
  await apply(route(to('one', { timeouts: { request: '0s' } })));
  await eventually(
    'no timeout acts',
    async () => (await request(NS, CLIENT, `${URL}delay/2s`)).status === 200,
  );
});

test('mirrors see their part of the requests, and nobody sees their answers', async () => {
  const arrived = async (app: string): Promise<number> => {
    const samples = await Promise.all((await podsOf(NS, `app=${app}`)).map((pod) => proxyMetrics(NS, pod)));
    return sum(samples.flat(), 'weft_requests_total', { direction: 'inbound' });
  };
  const mirror = (name: string, rest: object): object => ({
    type: 'RequestMirror',
    requestMirror: { backendRef: { name, port: 8080 }, ...rest },
  });
  await apply(
    route(
      to('one', {
        filters: [mirror('two', {}), mirror('front', { fraction: { numerator: 1, denominator: 4 } })],
      }),
    ),
  );
  await routeCondition({ namespace: NS, name: 'front' }, 'Accepted', 'True');
  const before = await arrived('two');
  await eventually('a mirror is seen to act', async () => {
    await version();
    return (await arrived('two')) > before;
  });
  const [two, front] = [await arrived('two'), await arrived('front')];
  const report = await load(NS, CLIENT, '-url', URL, '-count', '400', '-rate', '200');
  expect(report.versions).toEqual({ one: 400 });
  await eventually('all of them were mirrored', async () => (await arrived('two')) - two === 400, 10);
  // A quarter of 400, +- 3.89 standard deviations of 8.7.
  const part = (await arrived('front')) - front;
  expect(part).toBeGreaterThan(66);
  expect(part).toBeLessThan(134);
});

test('Weft starts and works without the CRDs, and takes them up when they come, without a restart', async () => {
  await apply(route(to('one')));
  await eventually('the route acts', async () => (await version()) === 'one');
  await kubectl(
    'delete',
    'crd',
    'httproutes.gateway.networking.k8s.io',
    'grpcroutes.gateway.networking.k8s.io',
  );
  await eventually('the Service is itself again', async () => (await version()) === 'front');

  await kubectl('rollout', 'restart', '-n', 'weft-system', 'deployment/weft-default');
  await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
  const split = [{ service: { name: 'two' } }];
  await apply(
    trafficPolicy(NS, 'front', { targetRefs: [{ kind: 'Service', name: 'front' }], routes: [{ split }] }),
  );
  await eventually('a policy acts', async () => (await version()) === 'two');

  const started = await eventually('the old pods are gone', async () => {
    const pods = await controlPlane();
    return pods.length === REPLICAS ? pods : undefined;
  });
  await installGatewayApi();
  await apply(route(to('one')));
  await eventually('the route acts again', async () => (await version()) === 'one');
  await routeCondition({ namespace: NS, name: 'front' }, 'Accepted', 'True');
  expect(await controlPlane()).toEqual(started);
});
