import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, namespace } from '../support/app.js';
import { type Condition, trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';
import { type LogRecord, recordsIn, type Span, spansIn } from '../support/spans.js';

// A real OpenTelemetry Collector, in the mesh, which writes what it is told into its log.

const NS = 'e2e-tracing';
const OBSERVABILITY = 'e2e-tracing-collector';
const LEAF = `http://leaf.${NS}:8080/`;
const PORTS = { GRPC: 4317, HTTP: 4318 } as const;

const CONFIG = {
  receivers: {
    otlp: { protocols: { grpc: { endpoint: '0.0.0.0:4317' }, http: { endpoint: '0.0.0.0:4318' } } },
  },
  exporters: { debug: { verbosity: 'detailed', use_internal_logger: false } },
  service: {
    telemetry: { metrics: { level: 'none' } },
    pipelines: {
      traces: { receivers: ['otlp'], exporters: ['debug'] },
      logs: { receivers: ['otlp'], exporters: ['debug'] },
    },
  },
};

const metadata = { name: 'otelcol', namespace: OBSERVABILITY };
const labels = { app: 'otelcol' };
const COLLECTOR = [
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [
            {
              name: 'app',
              image: 'docker.io/weft/otelcol:dev',
              imagePullPolicy: 'IfNotPresent',
              command: ['/otelcol', `--config=yaml:${JSON.stringify(CONFIG)}`],
              readinessProbe: { tcpSocket: { port: 4317 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      selector: labels,
      ports: [
        { name: 'grpc', port: PORTS.GRPC, appProtocol: 'grpc' },
        { name: 'http', port: PORTS.HTTP, appProtocol: 'http' },
      ],
    },
  },
];

/** The collector, spoken to like that. */
const by = (protocol: keyof typeof PORTS): object => ({
  service: { ...metadata, port: PORTS[protocol] },
  protocol,
});

/** Has the mesh tell the collector so many percent of the traces, and waits until proxies know. */
async function traced(
  percent: number,
  protocol: keyof typeof PORTS = 'GRPC',
  more: object = {},
): Promise<void> {
  await apply({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'default' },
    spec: { tracing: { collector: by(protocol), sampling: { percent } }, ...more },
  });
  for (const type of ['ResolvedRefs', 'Programmed']) {
    await eventually(`the MeshConfig is ${type}`, async () => {
      const config = await get<{
        metadata: { generation: number };
        status?: { conditions?: readonly Condition[] };
      }>('meshconfig', 'default');
      return config.status?.conditions?.some(
        (one) =>
          one.type === type && one.status === 'True' && one.observedGeneration === config.metadata.generation,
      );
    });
  }
}

/** Spans of requests for this path. */
async function spans(path: string): Promise<readonly Span[]> {
  const log = await kubectl('logs', '-n', OBSERVABILITY, 'deploy/otelcol', '-c', 'app', '--tail=-1');
  return spansIn(log).filter(({ attributes }) => attributes['url.path'] === path);
}

async function spansOf(path: string, count: number): Promise<readonly Span[]> {
  await eventually(`${count} spans of ${path}`, async () => (await spans(path)).length >= count);
  return spans(path);
}

const ask = (path: string, service = 'middle'): Promise<string> =>
  inPod(NS, 'deploy/web', 'request', '-url', `http://${service}.${NS}:8080${path}`);

function one(all: readonly Span[], service: string, kind: string, isRoot: boolean, id?: string): Span {
  const found = all.find(
    (span) =>
      span.service === service &&
      span.kind === kind &&
      (span.parent === '') === isRoot &&
      (id === undefined || span.id === id),
  );
  if (found === undefined) throw new Error(`no ${kind} span of ${service} in ${JSON.stringify(all)}`);
  return found;
}

beforeAll(async () => {
  await apply([namespace(NS), namespace(OBSERVABILITY), ...COLLECTOR]);
  await deploy(
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'middle', upstreams: [LEAF] },
    { namespace: NS, name: 'silent', container: { args: ['--upstreams', LEAF, '--propagate=false'] } },
    { namespace: NS, name: 'leaf' },
  );
  await kubectl('rollout', 'status', '-n', OBSERVABILITY, 'deployment/otelcol', '--timeout=120s');
});

afterAll(async () => {
  await kubectl('delete', 'meshconfig', 'default', '--ignore-not-found');
  await kubectl('delete', 'namespace', NS, OBSERVABILITY, '--wait=false');
});

/** One hop: the caller's span, that of its attempt, and the receiver's, each the parent of the next. */
function hop(
  all: readonly Span[],
  from: string,
  to: string,
  isRoot: boolean,
): Record<'client' | 'server', Span> {
  const server = one(all, to, 'Server', false);
  const attempt = one(all, from, 'Client', false, server.parent);
  const client = one(all, from, 'Client', isRoot, attempt.parent);
  expect(new Set([client.trace, attempt.trace, server.trace]).size).toBe(1);
  expect(server.attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.response.status_code': '200',
    'weft.peer.identity': expect.stringMatching(`/ns/${NS}/sa/${from}$`),
  });
  return { client, server };
}

test('a chain whose middle propagates is one trace', async () => {
  await traced(100);
  await ask('/');
  const all = await spansOf('/', 6);
  const first = hop(all, 'web', 'middle', true);
  const second = hop(all, 'middle', 'leaf', false);
  expect(second.client.parent).toBe(first.server.id);
  expect(second.client.trace).toBe(first.client.trace);
});

test('a chain whose middle does not propagate shows both ends of each of its hops', async () => {
  const before = (await spans('/')).map(({ id }) => id);
  await ask('/', 'silent');
  const all = (await spansOf('/', before.length + 6)).filter(({ id }) => !before.includes(id));
  const first = hop(all, 'web', 'silent', true);
  const second = hop(all, 'silent', 'leaf', true);
  expect(second.client.trace).not.toBe(first.client.trace);
});

test('over HTTP the same is told', async () => {
  await traced(100, 'HTTP');
  await ask('/over-http');
  expect((await spansOf('/over-http', 3)).map(({ service }) => service).sort()).toEqual([
    'middle',
    'web',
    'web',
  ]);
});

test.each(['GRPC', 'HTTP'] as const)(
  'over %s the access log is told too, with trace and span',
  async (how) => {
    const path = `/logged-${how}`;
    await traced(100, 'GRPC', {
      accessLog: { mode: 'All', collector: by(how), stdout: 'Disabled', query: 'Remove' },
    });
    await ask(`${path}?secret=1`, 'leaf');
    const all = await spansOf(path, 3);
    const records = async (): Promise<readonly LogRecord[]> => {
      const log = await kubectl('logs', '-n', OBSERVABILITY, 'deploy/otelcol', '-c', 'app', '--tail=-1');
      return recordsIn(log).filter(({ attributes }) => attributes['url.path'] === path);
    };
    await eventually('both proxies told of it', async () => (await records()).length >= 2);
    const { client, server } = hop(all, 'web', 'leaf', true);
    for (const [service, span] of [
      ['web', client],
      ['leaf', server],
    ] as const) {
      const record = (await records()).find((one) => one.service === service);
      expect(record).toMatchObject({ trace: span.trace, span: span.id, severity: 'INFO' });
      expect(record?.attributes).toMatchObject({
        'http.request.method': 'GET',
        'http.response.status_code': '200',
      });
      expect(record?.attributes).not.toHaveProperty(['url.query']);
    }
  },
);

test('a denied call says by which rule', async () => {
  await traced(100);
  await kubectl('label', 'namespace', NS, 'weft.dev/default-access=Deny');
  try {
    await eventually('the call is denied', async () => (await ask('/denied')).includes('"status":403'));
    await eventually('its span says so', async () =>
      (await spans('/denied')).some(
        ({ kind, attributes }) =>
          kind === 'Server' &&
          attributes['weft.refused_by'] === 'access' &&
          attributes['weft.rule'] === 'default',
      ),
    );
  } finally {
    await kubectl('label', 'namespace', NS, 'weft.dev/default-access-');
  }
});

test('nothing is sent of what is not sampled, and a policy says otherwise for its Service', async () => {
  await traced(0);
  await ask('/unsampled');
  const policy = trafficPolicy(NS, 'traced', {
    targetRefs: [{ kind: 'Service', name: 'middle' }],
    tracing: { sampling: { percent: 100 } },
  });
  await apply(policy);
  await waitForCondition(NS, 'traced', 'Programmed', 'True');
  await ask('/sampled');
  await spansOf('/sampled', 3);
  // What was to come of the request before would have come by now.
  expect(await spans('/unsampled')).toEqual([]);
});
