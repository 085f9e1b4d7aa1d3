import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, load, namespace } from '../support/app.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-protocols';

interface ServiceSpec {
  readonly spec: { readonly clusterIPs: string[] };
}

/** Longer than servers of gRPC for Go bear pings that come every ten seconds. */
const SILENCE = '50s';

let addresses: string[];
/** What becomes of a stream that is silent while the other tests run. */
let silent: Promise<string>;

beforeAll(async () => {
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server', replicas: 2 }, { namespace: NS, name: 'client' });
  const { spec } = await get<ServiceSpec>('service', 'server', '-n', NS);
  addresses = spec.clusterIPs.map((ip) => (ip.includes(':') ? `[${ip}]` : ip));
  silent = inPod(NS, 'deploy/client', 'watch', '-address', 'server:9090', '-open', SILENCE);
  silent.catch(() => undefined); // its test says so
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('the Service has an address of each family', () => {
  expect(addresses).toHaveLength(2);
});

test.each([0, 1])('HTTP/1.1 and HTTP/2 pass, keep their version and balance (family %i)', async (family) => {
  for (const flags of [[], ['-h2']]) {
    const url = `http://${addresses[family]}:8080/`;
    const report = await load(NS, 'deploy/client', '-url', url, '-count', '100', '-rate', '100', ...flags);
    expect(report.failures).toEqual({});
    expect(report.statuses).toEqual({ '200': 100 });
  }
});

test.each([0, 1])(
  'all four kinds of gRPC call pass with trailers, statuses and cancellation (family %i)',
  async (f) => {
    const said = await inPod(NS, 'deploy/client', 'grpc', '-address', `${addresses[f]}:9090`);
    expect(said.match(/^ok: /gm)).toHaveLength(7);
  },
);

test.each([0, 1])('raw TCP passes with its half-close (family %i)', async (family) => {
  const said = await inPod(
    NS,
    'deploy/client',
    'tcp',
    '-address',
    `${addresses[family]}:7000`,
    '-size',
    '5000000',
  );
  expect(said).toContain('5000000 bytes returned after the half-close');
});

test('a declared server-speaks-first port does not wait for the client', async () => {
  // A busy machine may be slow once; who waits for the client is slow each time.
  await eventually('the greeting comes at once', async () => {
    const said = await inPod(NS, 'deploy/client', 'tcp', '-address', `server:7001`, '-greet');
    const millis = Number(/after (\d+) ms/.exec(said)?.[1]);
    if (!(millis < 1000)) throw new Error(said);
    return true;
  });
});

test('a pod reaches itself through its own Service', async () => {
  const report = await load(
    NS,
    'deploy/server',
    '-url',
    'http://server:8080/',
    '-count',
    '50',
    '-rate',
    '100',
  );
  expect(report.failures).toEqual({});
});

test('a port whose appProtocol nobody knows carries its bytes, and an event says so', async () => {
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'odd', namespace: NS },
    spec: {
      selector: { app: 'server' },
      ports: [{ name: 'odd', port: 7000, appProtocol: 'example.com/odd' }],
    },
  });
  interface Events {
    readonly items: { readonly reason: string; readonly message: string }[];
  }
  const event = await eventually('the event is there', async () => {
    const about = ['--field-selector', 'involvedObject.name=odd'];
    const { items } = await get<Events>('events', '-n', NS, ...about);
    return items.find(({ reason }) => reason === 'UnknownAppProtocol');
  });
  expect(event.message).toMatch(/port 7000: .*"example.com\/odd"/);
  const said = await inPod(NS, 'deploy/client', 'tcp', '-address', 'odd:7000', '-size', '1000');
  expect(said).toContain('1000 bytes returned after the half-close');
});

test('a gRPC stream on which nothing is said stays open', async () => {
  expect(await silent).toContain(`ok: open for ${SILENCE}`);
});
