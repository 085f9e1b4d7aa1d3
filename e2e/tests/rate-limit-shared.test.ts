import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, inPod, load, namespace } from '../support/app.js';
import { installGatewayApi } from '../support/gateway.js';
import { trafficPolicy, waitForCondition } from '../support/policy.js';
import { apply, eventually, get, kubectl } from '../support/run.js';

// Envoy's reference implementation of its rate limit service with a real Redis, both in the mesh.

const NS = 'e2e-shared-limit';
/** Where the service is that counts. */
const LIMITS = 'e2e-shared-limit-service';
const PODS = 3;

const CONFIG = {
  'weft.yaml': 'domain: weft\n',
  'shop.yaml': `domain: shop
descriptors:
- key: generic_key
  value: logins
  descriptors:
  - key: service_account
    rate_limit: {unit: hour, requests_per_unit: 4}
`,
};

interface Server {
  readonly name: string;
  readonly port: number;
  readonly appProtocol: string;
  readonly container: object;
  readonly volumes?: readonly object[];
}

function server({ name, port, appProtocol, container, volumes = [] }: Server): object[] {
  const metadata = { name, namespace: LIMITS };
  const labels = { app: name };
  const app = {
    name: 'app',
    image: `docker.io/weft/${name}:dev`,
    imagePullPolicy: 'IfNotPresent',
    ports: [{ containerPort: port }],
    readinessProbe: { tcpSocket: { port }, periodSeconds: 1 },
    ...container,
  };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [app], volumes } },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { selector: labels, ports: [{ name: 'main', port, appProtocol }] },
    },
  ];
}

const SERVERS = [
  ...server({
    name: 'redis',
    port: 6379,
    appProtocol: 'tcp',
    container: {
      command: ['/redis', '--save', '', '--appendonly', 'no', '--protected-mode', 'no', '--dir', '/'],
    },
  }),
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'ratelimit', namespace: LIMITS }, data: CONFIG },
  ...server({
    name: 'ratelimit',
    port: 8081,
    appProtocol: 'grpc',
    container: {
      command: ['/ratelimit'],
      env: Object.entries({
        DISABLE_STATS: 'true',
        GRPC_PORT: '8081',
        LOG_LEVEL: 'warn',
        REDIS_SOCKET_TYPE: 'tcp',
        REDIS_URL: `redis.${LIMITS}:6379`,
        RUNTIME_IGNOREDOTFILES: 'true',
        RUNTIME_ROOT: '/data',
        RUNTIME_SUBDIRECTORY: 'ratelimit',
        RUNTIME_WATCH_ROOT: 'false',
        USE_STATSD: 'false',
      }).map(([name, value]) => ({ name, value })),
      volumeMounts: [{ name: 'config', mountPath: '/data/ratelimit/config' }],
    },
    volumes: [{ name: 'config', configMap: { name: 'ratelimit' } }],
  }),
];

const GRANT = {
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'ReferenceGrant',
  metadata: { name: 'limits', namespace: LIMITS },
  spec: {
    from: [{ group: 'weft.dev', kind: 'TrafficPolicy', namespace: NS }],
    to: [{ group: '', kind: 'Service', name: 'ratelimit' }],
  },
};

/** Names make limits others, of which nothing is counted yet. */
let named = 0;

/** Has the service count; generous with time, since what is asked here is not how quick a busy machine is. */
async function countedBy(fields: object): Promise<void> {
  const limit = {
    name: `limit-${++named}`,
    scope: 'Shared',
    service: { name: 'ratelimit', namespace: LIMITS, port: 8081 },
    timeout: '5s',
    ...fields,
  };
  await apply(
    trafficPolicy(NS, 'limits', {
      targetRefs: [{ kind: 'Service', name: 'server', port: 8080 }],
      rateLimit: [limit],
    }),
  );
  await waitForCondition(NS, 'limits', 'Programmed', 'True');
}

/** Answers to so many requests, by their status. */
async function statuses(from: string, count: number): Promise<Readonly<Record<string, number>>> {
  const url = `http://server.${NS}:8080/`;
  // All are sent, however long each waits for the service that counts.
  const report = await load(NS, from, '-url', url, '-count', `${count}`, '-rate', '50', '-duration', '60s');
  return report.statuses;
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

async function ask(from = 'deploy/web'): Promise<Answer> {
  return JSON.parse(await inPod(NS, from, 'request', '-url', `http://server.${NS}:8080/`)) as Answer;
}

async function scale(name: string, replicas: number): Promise<void> {
  await kubectl('scale', `deployment/${name}`, '-n', LIMITS, `--replicas=${replicas}`);
  if (replicas > 0) {
    await kubectl('rollout', 'status', '-n', LIMITS, `deployment/${name}`, '--timeout=180s');
    return;
  }
  await eventually(`the pods of ${name} are gone`, async () => {
    const { items } = await get<{ items: readonly object[] }>('pods', '-n', LIMITS, '-l', `app=${name}`);
    return items.length === 0;
  });
}

beforeAll(async () => {
  await installGatewayApi(); // for its ReferenceGrant
  await apply([namespace(NS), namespace(LIMITS), ...SERVERS, GRANT]);
  await deploy(
    { namespace: NS, name: 'server', replicas: PODS },
    { namespace: NS, name: 'web' },
    { namespace: NS, name: 'other' },
  );
  await scale('redis', 1);
  await scale('ratelimit', 1);
});

afterAll(() => kubectl('delete', 'namespace', NS, LIMITS, '--wait=false'));

test('all pods together let in exactly what the policy says, whoever calls', async () => {
  await countedBy({ requests: 40, per: '1h', onFailure: 'Deny' });
  const both = await Promise.all([statuses('deploy/web', 45), statuses('deploy/other', 45)]);
  const all = (code: string): number => both.reduce((sum, one) => sum + (one[code] ?? 0), 0);
  expect([all('200'), all('429')]).toEqual([40, 50]);
});

test('callers are told when to come back', async () => {
  await countedBy({ requests: 1, per: '1h', onFailure: 'Deny' });
  const first = await ask();
  expect([first.status, first.headers['ratelimit-policy']]).toEqual([200, `"limit-${named}";q=1;w=3600`]);
  const { status, headers } = await ask('deploy/other');
  expect([status, headers['x-weft-reason']]).toEqual([429, 'rate-limited']);
  const wait = Number(headers['retry-after']);
  expect(wait).toBeGreaterThan(0);
  expect(wait).toBeLessThanOrEqual(3_600);
});

test('a limit that only the service knows is found by the key, and counted for each caller', async () => {
  const key = [{ constant: { name: 'generic_key', value: 'logins' } }, { caller: 'ServiceAccount' }];
  const service = { name: 'ratelimit', namespace: LIMITS, port: 8081, domain: 'shop' };
  await countedBy({ key, service, onFailure: 'Deny' });
  expect(await statuses('deploy/web', 10)).toEqual({ '200': 4, '429': 6 });
  expect(await statuses('deploy/other', 3)).toEqual({ '200': 3 });
});

test('without its Redis the service fails, and each limit says what happens', async () => {
  await scale('redis', 0);
  // The service takes its time to find out.
  const timeout = '500ms';
  await countedBy({ requests: 30, per: '1h', timeout, onFailure: 'Deny' });
  await eventually('it is refused', async () => ((await ask()).status === 503 ? true : undefined));
  expect((await ask()).headers['x-weft-reason']).toBe('rate-limit-failed');
  await countedBy({ requests: 1, per: '1h', timeout, onFailure: 'Allow' });
  expect(await statuses('deploy/web', 10)).toEqual({ '200': 10 });
  await countedBy({ requests: 30, per: '1h', timeout });
  const { '200': admitted = 0, '429': refused = 0, ...others } = await statuses('deploy/web', 90);
  // Each pod has 10, and a caller that draws its endpoints leaves few of them.
  expect([admitted + refused, others]).toEqual([90, {}]);
  expect(admitted).toBeLessThanOrEqual(30);
  expect(admitted).toBeGreaterThanOrEqual(10);
});

test('when its Redis is back it counts again', async () => {
  await scale('redis', 1);
  await countedBy({ requests: 5, per: '1h', onFailure: 'Deny' });
  await eventually('it is counted', async () => ((await ask()).status === 503 ? undefined : true), 60);
  const { '200': admitted = 0, '429': refused = 0 } = await statuses('deploy/web', 20);
  expect([admitted, refused]).toEqual([4, 16]);
});

test('without the service each limit says what happens, and requests do not wait', async () => {
  await scale('ratelimit', 0);
  await countedBy({ requests: 1, per: '1h', timeout: '500ms', onFailure: 'Deny' });
  await eventually('it is refused', async () => ((await ask()).status === 503 ? true : undefined));
  await countedBy({ requests: 1, per: '1h', timeout: '500ms', onFailure: 'Allow' });
  expect(await statuses('deploy/web', 10)).toEqual({ '200': 10 });
});
