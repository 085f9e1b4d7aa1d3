import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { app, container, deploy, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-injection';
const PLAIN = 'e2e-injection-plain';

interface Pod {
  readonly metadata: { readonly annotations?: Record<string, string> };
  readonly spec: { readonly initContainers?: { readonly name: string }[] };
  readonly status: {
    readonly phase: string;
    readonly conditions?: { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: { readonly name: string; readonly restartCount: number }[];
  };
}

interface Events {
  readonly items: {
    readonly reason: string;
    readonly message: string;
    readonly involvedObject: { name: string };
  }[];
}

function pod(
  namespace: string,
  name: string,
  extra: { metadata?: object; spec?: object; container?: Record<string, unknown> } = {},
): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: name }, ...extra.metadata },
    spec: {
      terminationGracePeriodSeconds: 2,
      containers: [container({ name, container: extra.container ?? {} })],
      ...extra.spec,
    },
  };
}

const decision = async (namespace: string, name: string): Promise<string | undefined> =>
  (await get<Pod>('pod', name, '-n', namespace)).metadata.annotations?.['weft.dev/injection'];

const hasProxy = async (namespace: string, name: string): Promise<boolean> =>
  (await get<Pod>('pod', name, '-n', namespace)).spec.initContainers?.some((c) => c.name === 'weft-proxy') ??
  false;

async function ready(namespace: string, name: string): Promise<boolean> {
  const { status } = await get<Pod>('pod', name, '-n', namespace);
  return status.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') ?? false;
}

const waitReady = (namespace: string, name: string): Promise<string> =>
  kubectl('wait', '-n', namespace, `pod/${name}`, '--for=condition=Ready', '--timeout=90s');

beforeAll(async () => {
  await apply([namespace(NS), namespace(PLAIN, {})]);
  const annotations = { 'weft.dev/proxy-workers': '2' };
  await deploy({ namespace: NS, name: 'server', annotations }, { namespace: NS, name: 'client' });
});

afterAll(() => kubectl('delete', 'namespace', NS, PLAIN, '--wait=false'));

test('a pod in a labelled namespace gets the proxy and says so', async () => {
  const [name] = await podsOf(NS, 'app=server');
  expect(await hasProxy(NS, name!)).toBe(true);
  expect(await decision(NS, name!)).toBe('injected');
});

test('a proxy has as many workers as its pod asks for', async () => {
  const workersOf = async (app: string): Promise<string | undefined> => {
    const [name] = await podsOf(NS, `app=${app}`);
    return /proxy is up workers=(\d+)/.exec(await kubectl('logs', '-n', NS, name!, '-c', 'weft-proxy'))?.[1];
  };
  expect([await workersOf('server'), await workersOf('client')]).toEqual(['2', '1']);
});

test('pods elsewhere, opted out and on the host network stay without, and the last two say why', async () => {
  await apply([
    pod(PLAIN, 'elsewhere'),
    pod(NS, 'opted-out', { metadata: { labels: { 'weft.dev/inject': 'disabled' } } }),
    pod(NS, 'host-network', {
      spec: { hostNetwork: true },
      container: { args: ['--http', ':38080'], readinessProbe: null },
    }),
  ]);
  for (const [namespace, name] of [
    [PLAIN, 'elsewhere'],
    [NS, 'opted-out'],
    [NS, 'host-network'],
  ] as const) {
    await waitReady(namespace, name);
    expect([name, await hasProxy(namespace, name)]).toEqual([name, false]);
  }
  expect(await decision(NS, 'host-network')).toMatch(/^skipped: .*hostNetwork/);
  const explained = await eventually('an event says why the host network pod has no proxy', async () => {
    const { items } = await get<Events>('events', '-n', NS);
    return items.find((e) => e.involvedObject.name === 'host-network' && e.message.includes('hostNetwork'));
  });
  expect(explained.reason).toBe('InjectionSkipped');
});

test('one pod can opt in where its namespace has not', async () => {
  await apply(pod(PLAIN, 'opted-in', { metadata: { labels: { 'weft.dev/inject': 'enabled' } } }));
  await waitReady(PLAIN, 'opted-in');
  expect(await hasProxy(PLAIN, 'opted-in')).toBe(true);
});

test('a Job completes, and an init container after the proxy has the mesh', async () => {
  const call = ['/testapp', 'load', '-url', 'http://server:8080/', '-count', '5', '-rate', '50'];
  const image = { image: 'docker.io/weft/testapp:dev', imagePullPolicy: 'IfNotPresent' };
  await apply({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'caller', namespace: NS },
    spec: {
      backoffLimit: 0,
      template: {
        metadata: { labels: { app: 'caller' } },
        spec: {
          restartPolicy: 'Never',
          initContainers: [{ name: 'early', ...image, command: call }],
          containers: [{ name: 'app', ...image, command: call }],
        },
      },
    },
  });
  await kubectl('wait', '-n', NS, 'job/caller', '--for=condition=Complete', '--timeout=90s');
  for (const name of ['early', 'app']) {
    const report = JSON.parse(await kubectl('logs', '-n', NS, 'job/caller', '-c', name)) as {
      failed: number;
    };
    expect(report.failed).toBe(0);
  }
  const [server] = await podsOf(NS, 'app=server');
  const peer = `spiffe://cluster.local/ns/${NS}/sa/default`;
  const seen = sum(await proxyMetrics(NS, server!), 'weft_requests_total', { direction: 'inbound', peer });
  expect(seen).toBe(10); // five from the init container, five from the job, all over mutual TLS
});

test('http, tcp and grpc probes pass, and fail when the application fails', async () => {
  const probe = (check: object): Record<string, unknown> => ({
    readinessProbe: { ...check, periodSeconds: 1, failureThreshold: 1 },
  });
  await apply([
    pod(NS, 'probe-http', { container: probe({ httpGet: { path: '/healthz', port: 8080 } }) }),
    pod(NS, 'probe-grpc', { container: probe({ grpc: { port: 9090 } }) }),
    pod(NS, 'probe-tcp', { container: probe({ tcpSocket: { port: 8080 } }) }),
    pod(NS, 'probe-tcp-closed', { container: probe({ tcpSocket: { port: 4444 } }) }),
  ]);
  for (const name of ['probe-http', 'probe-grpc', 'probe-tcp']) await waitReady(NS, name);
  expect(await ready(NS, 'probe-tcp-closed')).toBe(false);
  for (const name of ['probe-http', 'probe-grpc']) {
    const [ip] = [(await kubectl('get', 'pod', '-n', NS, name, '-o', 'jsonpath={.status.podIP}')).trim()];
    await kubectl(
      'exec',
      '-n',
      NS,
      'deploy/client',
      '-c',
      'app',
      '--',
      '/testapp',
      'post',
      '-url',
      `http://${ip}:8080/health/fail`,
    );
    await eventually(`${name} turns unready`, async () => !(await ready(NS, name)), 20);
  }
});

test('a port named in skip-inbound-ports bypasses the proxy', async () => {
  const annotations = { 'weft.dev/skip-inbound-ports': '8080' };
  await apply(app({ namespace: NS, name: 'bypassed', annotations }));
  await kubectl('rollout', 'status', '-n', NS, 'deployment/bypassed', '--timeout=90s');
  const report = await load(
    NS,
    'deploy/client',
    '-url',
    'http://bypassed:8080/',
    '-count',
    '20',
    '-rate',
    '50',
  );
  expect(report.failures).toEqual({});
  const [name] = await podsOf(NS, 'app=bypassed');
  expect(sum(await proxyMetrics(NS, name!), 'weft_requests_total', { direction: 'inbound' })).toBe(0);
  const [client] = await podsOf(NS, 'app=client');
  const plain = sum(await proxyMetrics(NS, client!), 'weft_requests_total', {
    direction: 'outbound',
    tls: 'none',
  });
  expect(plain).toBeGreaterThanOrEqual(20);
});

test('a bad annotation is refused with its name and the remedy', async () => {
  const bad = pod(NS, 'bad', { metadata: { annotations: { 'weft.dev/skip-inbound-ports': 'http' } } });
  await expect(apply(bad)).rejects.toThrow(/weft\.dev\/skip-inbound-ports/);
});
