import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { COUNTS, Counted, LATENCIES } from '../../telemetry/index.js';
import { eventually } from '../../testing/index.js';
import { ClusterFixture } from '../cluster.fixture.js';

let folder: string;
let program: string;
let cluster: ClusterFixture;
let assistant: Client | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-mcp-'));
  program = join(folder, 'weft.mjs');
  await promisify(execFile)(process.execPath, [
    'src/build.mjs',
    '--log-level=warning',
    `--outfile=${program}`,
  ]);
}, 300_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  await cluster.install();
  const { server } = cluster;
  server.onPost('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', () => ({
    status: 201,
    body: { status: { allowed: true } },
  }));
  server.put('/api/v1/pods', {
    metadata: { name: 'weft-default-a', namespace: 'weft-system', labels: REPLICA },
    spec: { containers: [{ name: 'weft' }] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  server.onPost('/api/v1/namespaces/weft-system/serviceaccounts/weft-default-view/token', () => ({
    status: 201,
    body: { status: { token: 'secret' } },
  }));
  server.onGet('/api/v1/namespaces/weft-system/pods/https:weft-default-a:15114/proxy/traffic', () =>
    JSON.stringify({ coversMs: 60_000, proxies: 1, edges: [EDGE] }),
  );
  cluster.pod('web', true);
  server.put('/api/v1/services', {
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: {
      clusterIP: '10.96.0.5',
      clusterIPs: ['10.96.0.5'],
      selector: { app: 'reviews' },
      ports: [{ name: 'http', port: 9080, targetPort: 9080, protocol: 'TCP' }],
    },
  });
  server.put('/api/v1/pods', {
    metadata: { name: 'reviews', namespace: 'shop', labels: { app: 'reviews' } },
    spec: { containers: [{ name: 'app' }] },
    status: { phase: 'Running', podIPs: [{ ip: '10.244.0.7' }] },
  });
  server.onExec((call) => {
    call.stdout(`${JSON.stringify([SENT])}\n`);
    call.exit(0);
  });
});

afterEach(async () => {
  await assistant?.close();
  assistant = undefined;
  await cluster.stop();
});

const REPLICA = { 'app.kubernetes.io/name': 'weft', 'weft.dev/rev': 'default' };
const OK_ALONE: Readonly<Record<number, number>> = { [Counted.ok]: 600 };
const EDGE = {
  reporter: {
    namespace: 'shop',
    kind: 'Deployment',
    name: 'reviews',
    identity: 'spiffe://cluster.local/ns/shop/sa/reviews',
  },
  direction: 'inbound',
  peer: 'spiffe://cluster.local/ns/shop/sa/web',
  service: 'shop/reviews',
  port: 'http',
  route: 'canary',
  backend: '',
  tls: 'mutual',
  rule: '',
  open: 0,
  counts: Array.from({ length: COUNTS }, (_, place) => OK_ALONE[place] ?? 0),
  latencies: Array.from({ length: LATENCIES }, () => 0),
};
const SENT = {
  side: 'caller',
  verdict: 'sent',
  caller: { pod: 'default/default/shop/web', identity: 'spiffe://cluster.local/ns/shop/sa/web' },
};

async function kubeconfig(server = cluster.server.url): Promise<string> {
  const file = join(folder, 'kubeconfig');
  const context = { cluster: 'it', user: 'me' };
  await writeFile(
    file,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'it', cluster: { server, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'me', user: {} }],
      contexts: [{ name: 'it', context }],
      'current-context': 'it',
    }),
  );
  return file;
}

async function words(): Promise<string[]> {
  return [program, '--kubeconfig', await kubeconfig(), 'mcp'];
}

async function connected(): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' });
  const args = await words();
  await client.connect(new StdioClientTransport({ command: process.execPath, args, stderr: 'ignore' }));
  assistant = client;
  return client;
}

/** What it takes to ask each tool about the cluster of this test. */
const QUESTIONS: Readonly<Record<string, Record<string, unknown>>> = {
  stat: { namespace: 'shop' },
  edges: {},
  routes: { service: 'shop/reviews' },
  top: { max: 5 },
  explain: { from: 'pod/web', namespace: 'shop', url: 'http://reviews:9080/api', headers: ['x-group: beta'] },
  authz_can_i: { caller: 'shop/web', service: 'shop/reviews', path: '/api' },
  authz_who_can: { service: 'shop/reviews' },
  egress_report: { namespace: 'shop' },
  check: {},
  analyze: { namespace: 'shop' },
  status: {},
  version: {},
};

test('an assistant is told what it may ask: tools that only read, each field described', async () => {
  const client = await connected();
  expect(client.getServerVersion()).toMatchObject({ name: 'weft' });
  expect(client.getInstructions()).toContain('change nothing');
  const { tools } = await client.listTools();
  expect(tools.map(({ name }) => name).sort()).toEqual(Object.keys(QUESTIONS).sort());
  for (const { annotations, inputSchema, description } of tools) {
    expect(annotations).toMatchObject({ readOnlyHint: true, destructiveHint: false });
    expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
    expect(description?.length).toBeGreaterThan(20);
    for (const [field, of] of Object.entries(inputSchema.properties ?? {}))
      expect([field, of]).toEqual([field, expect.objectContaining({ description: expect.any(String) })]);
  }
});

test('each tool answers with the JSON of its command, and nothing is written', async () => {
  const client = await connected();
  const answers: Record<string, unknown> = {};
  for (const [name, given] of Object.entries(QUESTIONS)) {
    const { content, structuredContent, isError } = await client.callTool({ name, arguments: given });
    expect([name, isError, content]).toEqual([
      name,
      undefined,
      [{ type: 'text', text: JSON.stringify(structuredContent) }],
    ]);
    answers[name] = structuredContent;
  }
  const call = { caller: EDGE.peer, callee: 'shop/reviews', signals: { perSecond: 10, successRate: 1 } };
  expect(answers).toMatchObject({
    stat: { since: '1m', rows: [{ name: 'deployment/reviews', signals: { perSecond: 10 } }] },
    edges: { proxies: 1, rows: [call] },
    top: { since: '10s', rows: [{ callee: 'shop/reviews' }] },
    explain: { from: 'pod shop/web', caller: { verdict: 'sent' } },
    authz_can_i: { allowed: true },
    check: {
      ok: expect.any(Boolean),
      found: expect.arrayContaining([expect.objectContaining({ check: 'cluster' })]),
    },
    status: { namespaces: expect.arrayContaining([expect.objectContaining({ namespace: 'shop' })]) },
    version: { kubernetes: 'v1.34.4' },
  });
  const sent = cluster.server.requests.filter(({ method }) => method !== 'GET');
  // A token to see the traffic with, and what we may do: neither changes anything.
  for (const { path } of sent) expect(path).toMatch(/\/(token|selfsubjectaccessreviews)$/);
});

test('manifests are judged as they are given, and no file is read', async () => {
  const client = await connected();
  const manifests =
    'apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: a, namespace: shop}\nspec: {targetRefs: [{kind: Service, name: reviews}], rotues: []}\n';
  const { structuredContent } = await client.callTool({ name: 'analyze', arguments: { manifests } });
  expect(structuredContent).toMatchObject({
    objects: 1,
    findings: expect.arrayContaining([
      expect.objectContaining({ severity: 'error', message: expect.stringContaining('rotues') }),
    ]),
  });
  const { isError } = await client.callTool({ name: 'analyze', arguments: { files: ['/etc/passwd'] } });
  expect(isError).toBe(true);
});

test('what cannot be said is an error of the tool, in the words of the command', async () => {
  const client = await connected();
  const said = async (name: string, given: Record<string, unknown>): Promise<string> => {
    const { isError, content } = await client.callTool({ name, arguments: given });
    expect(isError).toBe(true);
    return (content as { text: string }[])[0]?.text ?? '';
  };
  expect(await said('stat', { namespace: 'shpo' })).toBe(
    'namespace shpo does not exist; try: weft stat -n shop',
  );
  expect(await said('routes', { service: 'nowhere/reviews' })).toContain('namespace nowhere does not exist');
  expect(await said('authz_can_i', { caller: 'web', service: 'shop/reviews', path: '/' })).toMatch(
    /^web is not a caller; write namespace\/serviceaccount/,
  );
  expect(await said('explain', { from: 'pod/wbe', namespace: 'shop', url: 'http://reviews:9080/' })).toBe(
    'there is no pod shop/wbe; did you mean web?',
  );
  expect(await said('stats', {})).toBe('there is no tool stats; did you mean stat?');
});

const MALFORMED: readonly (readonly [string, Record<string, unknown>, string])[] = [
  ['stat', { namespace: '../../secrets' }, 'namespace: is not the name of a namespace'],
  ['stat', { kind: 'secrets' }, 'kind: '],
  ['routes', { service: 'shop/reviews/../../x' }, 'service: is not namespace/service'],
  ['explain', { from: 'pod/a%2f..', url: 'http://reviews/' }, 'from: is not pod/NAME'],
  ['explain', { from: 'web', url: 'file:///etc/passwd' }, 'url: '],
  ['explain', { from: 'web', url: 'http://reviews/', headers: ['a: b\r\nc: d'] }, 'headers.0: '],
  ['explain', { from: 'web', url: 'http://reviews/', jwt: '@/etc/passwd' }, 'jwt'],
  ['top', { max: 100_000 }, 'max: '],
];

test('what an assistant no longer waits for is not asked of a proxy any longer', async () => {
  const client = await connected();
  let gone: AbortSignal | undefined;
  cluster.server.onExec((call) => void (gone = call.gone));
  const cancelled = new AbortController();
  const asked = { name: 'explain', arguments: QUESTIONS.explain };
  const calling = client.callTool(asked, undefined, { signal: cancelled.signal });
  await eventually('the proxy is asked', () => gone !== undefined);
  cancelled.abort();
  await expect(calling).rejects.toThrow();
  await eventually('the command has ended', () => gone?.aborted);
});

test('an argument that has not its form is refused before anything is asked', async () => {
  const client = await connected();
  for (const [name, given, says] of MALFORMED) {
    const { isError, content } = await client.callTool({ name, arguments: given });
    const [{ text } = { text: '' }] = content as { text: string }[];
    expect([name, isError, text]).toEqual([name, true, expect.stringContaining(says)]);
  }
  expect(cluster.server.requests).toEqual([]);
});

test('it ends with its assistant, and a message that is too long ends it', async () => {
  for (const input of ['', 'x'.repeat(2 * 1024 * 1024)]) {
    const child = spawn(process.execPath, await words(), { stdio: ['pipe', 'ignore', 'ignore'] });
    const exited = once(child, 'exit');
    child.stdin.on('error', () => undefined);
    if (input === '') child.stdin.end();
    else child.stdin.write(input);
    expect(await exited).toEqual([0, null]);
  }
});

test('the page about it names every tool, and its configuration is what an assistant reads', async () => {
  const text = await readFile('docs/mcp.md', 'utf8');
  for (const name of Object.keys(QUESTIONS)) expect(text).toContain(`| \`${name}\` |`);
  const blocks = [...text.matchAll(/```json\n([^]*?)```/g)].map(
    ([, json = '']) => JSON.parse(json) as unknown,
  );
  expect(blocks[0]).toMatchObject({ mcpServers: { weft: { command: 'weft', args: ['mcp'] } } });
});
