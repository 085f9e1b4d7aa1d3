import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { deploy, load, namespace } from '../support/app.js';
import { apply, eventually, kubectl, run } from '../support/run.js';
import { trafficPolicy } from '../support/policy.js';

const NS = 'e2e-dashboard';

interface Edge {
  readonly caller: string;
  readonly service: string;
  readonly tls: string;
  readonly perSecond: number;
  readonly successRate?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
}

interface View {
  readonly controlPlane: { readonly ready: number };
  readonly namespaces: readonly {
    readonly name: string;
    readonly pods: readonly Record<string, unknown>[];
  }[];
  readonly edges: readonly Edge[];
}

let dashboard: ChildProcess | undefined;
let url: string;

/** Starts `weft dashboard` as a person would, and reads from its greeting where it listens. */
async function start(): Promise<string> {
  const kubeconfig = process.env['KUBECONFIG'] ?? (await run('e2e/cluster/kubeconfig.sh', [])).trim();
  const child = spawn('node', ['dist/weft.mjs', 'dashboard', '--port', '0'], {
    env: { ...process.env, KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  dashboard = child;
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  return eventually('the dashboard says where it listens', () =>
    Promise.resolve(/http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0]),
  );
}

async function view(): Promise<View> {
  return read<View>('/api/mesh');
}

async function read<T>(path: string): Promise<T> {
  const response = await fetch(new URL(path, url));
  const body: unknown = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(body));
  return body as T;
}

beforeAll(async () => {
  await run('npm', ['run', '--silent', 'build', '--', '--log-level=warning']);
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'server' }, { namespace: NS, name: 'client' });
  url = await start();
});

afterAll(async () => {
  dashboard?.kill('SIGTERM');
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

test('the dashboard is the page and its script, from the built program alone', async () => {
  expect(await (await fetch(url)).text()).toContain('/app.js');
  const script = await (await fetch(new URL('/app.js', url))).text();
  expect(script.length).toBeGreaterThan(10_000);
});

test('it shows pods with their identity and what the webhook decided', async () => {
  const shown = await view();
  expect(shown.controlPlane.ready).toBeGreaterThan(0);
  const pods = shown.namespaces.find(({ name }) => name === NS)?.pods ?? [];
  expect(pods.map((pod) => [pod['workload'], pod['injection'], pod['ready']])).toEqual([
    ['Deployment/client', 'injected', true],
    ['Deployment/server', 'injected', true],
  ]);
  expect(pods[0]?.['identity']).toBe(`spiffe://cluster.local/ns/${NS}/sa/client`);
});

test('it shows who called whom over mutual TLS, how often, how well and how fast', async () => {
  const traffic = load(
    NS,
    'deploy/client',
    '-url',
    `http://server.${NS}:8080/`,
    '-rate',
    '20',
    '-duration',
    '15s',
  );
  const edge = await eventually(
    'the call from client to server at about its rate',
    async () => (await view()).edges.find((e) => e.service === `${NS}/server` && e.perSecond > 10),
    14,
  );
  expect(edge).toMatchObject({
    caller: `spiffe://cluster.local/ns/${NS}/sa/client`,
    tls: 'mutual',
    successRate: 1,
  });
  expect(edge.perSecond).toBeLessThan(30);
  expect(edge.p50Ms).toBeGreaterThan(0);
  expect(edge.p99Ms).toBeGreaterThanOrEqual(edge.p50Ms ?? Infinity);
  const pods = await eventually('what the server’s pod counts of it', async () => {
    const all = await read<{ perSecond: number; error: string }[]>(
      `/api/pods?namespace=${NS}&workload=Deployment/server`,
    );
    return (all[0]?.perSecond ?? 0) > 5 && all;
  });
  expect(pods).toMatchObject([{ error: '', successRate: 1 }]);
  expect((await traffic).failed).toBe(0);
});

test('it says who may call whom, what is wrong with objects, and who changed them', async () => {
  const access = await read<{ services: string[]; callers: string[]; cells: { may: string }[][] }>(
    `/api/access?namespace=${NS}`,
  );
  const column = access.services.indexOf('server');
  const row = access.callers.indexOf(`spiffe://cluster.local/ns/${NS}/sa/client`);
  expect(access.cells[row]?.[column]?.may).toBe('all');
  await apply(
    trafficPolicy(NS, 'nowhere', {
      targetRefs: [{ kind: 'Service', name: 'nowhere' }],
      routes: [{ timeouts: { request: '1s' } }],
    }),
  );
  const changed = await eventually('the change to be told', async () => {
    const { changes } = await read<{ changes: Record<string, unknown>[] }>('/api/changes');
    return changes.find(({ namespace, name }) => namespace === NS && name === 'nowhere');
  });
  expect(changed).toMatchObject({
    kind: 'TrafficPolicy',
    how: 'created',
    who: expect.stringMatching(/kubectl/),
  });
  await eventually(
    'the finding about the policy',
    async () => {
      const { findings } = await read<{ findings: { object: string }[] }>('/api/findings');
      return findings.some(({ object }) => object === `TrafficPolicy ${NS}/nowhere`);
    },
    60,
  );
});

test('what happened is remembered by the minute, also for a page that is opened later', async () => {
  const key = `${NS}/deployment/server`;
  // A replica that has just started knows no whole minute, and says nothing of the one that it began in.
  const trace = await eventually(
    'a whole minute with traffic to be over',
    async () => {
      await load(NS, 'deploy/client', '-url', `http://server.${NS}:8080/`, '-rate', '20', '-duration', '2s');
      const { workloads } = await read<{ workloads: Record<string, { rates: number[] }> }>('/api/history');
      return workloads[key];
    },
    200,
  );
  expect(trace.rates).toHaveLength(30);
  expect(trace.rates.reduce((sum, rate) => sum + rate, 0)).toBeGreaterThan(2);
}, 240_000);
