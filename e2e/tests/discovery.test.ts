import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { app, container, deploy, inPod, load, namespace } from '../support/app.js';
import { podsOf, proxyMetrics, sum } from '../support/metrics.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

const NS = 'e2e-discovery';
const CALLER = 'deploy/caller';

interface Pod {
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIP: string; readonly hostIP: string };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

const podOf = async (version: string): Promise<Pod> => {
  const [name = ''] = await podsOf(NS, `app=server,version=${version}`);
  return get<Pod>('pod', name, '-n', NS);
};

/** Which version answers at `url`. */
async function versionAt(url: string): Promise<string | undefined> {
  const answer = JSON.parse(await inPod(NS, CALLER, 'request', '-url', url)) as Answer;
  return answer.status === 200 ? answer.headers['x-version'] : String(answer.status);
}

/** Requests that the caller's proxy has sent over mutual TLS to a destination. */
async function mutual(destination: string): Promise<number> {
  const [caller = ''] = await podsOf(NS, 'app=caller');
  return sum(await proxyMetrics(NS, caller), 'weft_requests_total', {
    direction: 'outbound',
    destination,
    tls: 'mutual',
  });
}

/** A Service whose endpoints a person writes down, each at least by its address. */
const byHand = (name: string, endpoints: readonly (string | object)[], service: object = {}): object[] => [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: NS },
    spec: { ports: [{ name: 'http', port: 80 }], ...service },
  },
  {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace: NS, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: endpoints.map((one) => (typeof one === 'string' ? { addresses: [one] } : one)),
  },
];

beforeAll(async () => {
  await apply([
    namespace(NS),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'stateful', namespace: NS },
      spec: { clusterIP: 'None', selector: { app: 'stateful' }, ports: [{ name: 'http', port: 8080 }] },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'stateful', namespace: NS },
      spec: {
        serviceName: 'stateful',
        selector: { matchLabels: { app: 'stateful' } },
        template: {
          metadata: { labels: { app: 'stateful' } },
          spec: { containers: [container({ name: 'stateful', version: 'stateful' })] },
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'node-port', namespace: NS },
      spec: { type: 'NodePort', selector: { app: 'server' }, ports: [{ port: 8080, nodePort: 30_080 }] },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'alias', namespace: NS },
      spec: { type: 'ExternalName', externalName: `server.${NS}.svc.cluster.local` },
    },
  ]);
  await deploy(
    { namespace: NS, name: 'server-v1', service: 'server', version: 'v1' },
    { namespace: NS, name: 'server-v2', service: 'server', version: 'v2' },
    { namespace: NS, name: 'caller' },
  );
  await kubectl('rollout', 'status', '-n', NS, 'statefulset/stateful', '--timeout=120s');
});

afterAll(() => kubectl('delete', 'namespace', NS, '--wait=false'));

test('a pod of a StatefulSet, by its own name, is reached over mutual TLS', async () => {
  expect(await versionAt('http://stateful-0.stateful:8080/')).toBe('stateful');
  expect(await mutual(`${NS}/stateful-0:8080`)).toBeGreaterThan(0);
});

test('a headless Service is reached over mutual TLS', async () => {
  const before = await mutual(`${NS}/stateful-0:8080`);
  expect(await versionAt('http://stateful:8080/')).toBe('stateful');
  expect(await mutual(`${NS}/stateful-0:8080`)).toBeGreaterThan(before);
});

test("a pod's own address is reached over mutual TLS", async () => {
  const [pod = ''] = await podsOf(NS, 'app=server,version=v2');
  expect(await versionAt(`http://${(await podOf('v2')).status.podIP}:8080/`)).toBe('v2');
  expect(await mutual(`${NS}/${pod}:8080`)).toBeGreaterThan(0);
});

test('a NodePort answers', async () => {
  const { status } = await podOf('v1');
  expect(await versionAt(`http://${status.hostIP}:30080/`)).toMatch(/^v[12]$/);
});

test('an external name that is a Service of the mesh is that Service', async () => {
  const before = await mutual(`${NS}/server:8080`);
  expect(await versionAt('http://alias:8080/')).toMatch(/^v[12]$/);
  expect(await mutual(`${NS}/server:8080`)).toBeGreaterThan(before);
});

test('a pod calls itself through its own Service', async () => {
  const report = await load(NS, 'deploy/server-v1', '-url', 'http://server:8080/', '-count', '40');
  expect(report.failures).toEqual({});
  expect(Object.keys(report.versions).sort()).toEqual(['v1', 'v2']);
});

test('endpoints written down by hand are pods all the same, with their identities', async () => {
  await apply(byHand('by-hand', [(await podOf('v1')).status.podIP]));
  await eventually('it answers', async () => (await versionAt('http://by-hand/')) === 'v1');
  expect(await mutual(`${NS}/by-hand:80`)).toBeGreaterThan(0);
});

/** On a cluster of one node the other is written down only. */
const ELSEWHERE = 'another-node';

test('a Service with internalTrafficPolicy Local has only the endpoints of the node', async () => {
  const { spec, status } = await podOf('v1');
  const at = (nodeName: string): object[] =>
    byHand('local', [{ addresses: [status.podIP], nodeName }], { internalTrafficPolicy: 'Local' });
  await apply(at(ELSEWHERE));
  await eventually('nobody answers here', async () => {
    const said = JSON.parse(await inPod(NS, CALLER, 'request', '-url', 'http://local/')) as Answer;
    return said.status === 503 && said.headers['x-weft-reason'] === 'no-endpoints';
  });
  await apply(at(spec.nodeName));
  await eventually('it answers', async () => (await versionAt('http://local/')) === 'v1');
});

test('a Service with trafficDistribution PreferSameNode prefers the endpoints that its slice gives to the node', async () => {
  const [v1, v2] = [await podOf('v1'), await podOf('v2')];
  const given = (pod: Pod, node: string): object => ({
    addresses: [pod.status.podIP],
    nodeName: pod.spec.nodeName,
    hints: { forNodes: [{ name: node }] },
  });
  const slices = (ofV1: string, ofV2: string): object[] =>
    byHand('near', [given(v1, ofV1), given(v2, ofV2)], { trafficDistribution: 'PreferSameNode' });
  const here = v1.spec.nodeName;
  const all = (version: string) => async () => {
    const { versions } = await load(NS, CALLER, '-url', 'http://near/', '-count', '60');
    return versions[version] === 60;
  };
  await apply(slices(here, ELSEWHERE));
  await eventually('all go to the first', all('v1'));
  await apply(slices(ELSEWHERE, here));
  await eventually('all go to the second', all('v2'));
  await apply(slices(here, here));
  await eventually('both have a share', async () => {
    const { versions } = await load(NS, CALLER, '-url', 'http://near/', '-count', '60');
    return (versions['v1'] ?? 0) > 0 && (versions['v2'] ?? 0) > 0;
  });
});

test('no request reaches an endpoint once it has left its EndpointSlice', async () => {
  const [v1, v2] = [(await podOf('v1')).status.podIP, (await podOf('v2')).status.podIP];
  const stale: number[] = [];
  for (let round = 0; round < 10; round++) {
    await apply(byHand('churn', [v1, v2]));
    const run = load(NS, CALLER, '-url', 'http://churn/', '-rate', '200', '-duration', '3s');
    await sleep(1200);
    await apply(byHand('churn', [v1]));
    const left = Date.now();
    const report = await run;
    expect(report.failures).toEqual({});
    await eventually('only the endpoint that is left answers', async () => {
      const { versions } = await load(NS, CALLER, '-url', 'http://churn/', '-rate', '200', '-count', '100');
      return versions['v1'] === 100;
    });
    if ((report.versions['v2'] ?? 0) > 0) stale.push((report.lastSeen['v2'] ?? 0) - left);
  }
  stale.sort((a, b) => a - b);
  console.log(`last answer of an endpoint after its slice was written: ${stale.join(', ')} ms`);
  expect(stale.length).toBeGreaterThan(5); // positive control: it answered while it was listed
}, 120_000);

test('an address of a later pod with no slice is no Service of the mesh', async () => {
  await apply(app({ namespace: NS, name: 'late' }).slice(-1)); // the Service alone
  expect(await versionAt('http://late:8080/').catch(() => 'refused')).toMatch(/^(503|refused)$/);
});
