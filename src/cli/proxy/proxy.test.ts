import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Command } from 'commander';
import { parseAllDocuments } from 'yaml';
import { eventually, meshContainers } from '../../testing/index.js';
import { testCa } from '../../testing/test-ca.js';
import { ClusterFixture } from '../cluster.fixture.js';
import { addProxy } from './index.js';

const REVIEW = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
const DAY = 86_400;
let cluster: ClusterFixture;
/** Commands that were run in containers. */
let ran: string[];
let logs: string;
let written: { readonly out: string[]; readonly error: string[] };

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  await cluster.install();
  [ran, logs, written] = [[], 'info', { out: [], error: [] }];
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: true } } }));
  const mesh = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name: 'web-1', namespace: 'shop', labels: { app: 'web' } },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
  });
  cluster.server.put('/apis/apps/v1/deployments', {
    metadata: { name: 'web', namespace: 'shop' },
    spec: { selector: { matchLabels: { app: 'web' } } },
  });
  cluster.server.onExec((call) => {
    const words = call.command.slice(1);
    ran.push(`${call.container}: ${words.join(' ')}`);
    if (words[0] === 'loglevel' && words[1] === '=nonsense=') {
      call.stdout('`=nonsense=` is not a filter\n');
      call.exit(1);
      return;
    }
    if (words[0] === 'loglevel') logs = words[1] ?? '';
    if (words[1] === 'config') call.stdout(`${JSON.stringify(DUMP, null, 2)}\n`);
    else call.stdout(`${logs}\n`);
    call.exit(0);
  });
  jest.spyOn(process.stdout, 'write').mockImplementation((text) => written.out.push(String(text)) > 0);
  jest.spyOn(process.stderr, 'write').mockImplementation((text) => written.error.push(String(text)) > 0);
});

afterEach(async () => {
  jest.restoreAllMocks();
  process.exitCode = undefined;
  await cluster.stop();
});

const now = Math.floor(Date.now() / 1000);
const DUMP = {
  identity: { id: WEB, notBefore: now - DAY / 2, notAfter: now + DAY / 2 },
  controlPlane: { connected: false, lastError: 'refused', rejected: { 'shop/new:80': 'needs feature teapots' } },
  workload: {
    mtlsMode: 'Strict',
    outboundPolicy: 'AllowAny',
    access: { default: 'Deny', rules: 3 },
    inboundPorts: [{ port: 9080, protocol: 'Http1', mtlsMode: 'Permissive', services: ['shop/web'] }],
  },
  destinations: {
    'shop/reviews:9080': {
      protocol: 'Http1',
      routes: [{ name: 'canary' }, { name: 'rest' }],
      backends: [{ name: 'shop/reviews:9080', endpoints: [{}, {}] }],
    },
    '10.96.0.9:80': null,
  },
};

async function typed(...words: readonly string[]): Promise<string> {
  const weft = new Command();
  addProxy(weft, () => cluster.client);
  await weft.parseAsync(['node', 'weft', 'proxy', ...words, '-n', 'shop']);
  return written.out.join('');
}

test('the configuration is what the proxy has now, and what it has rejected', async () => {
  const text = await typed('config', 'deploy/web');
  expect(text).toMatch(/control plane +not connected, last error: refused/);
  expect(text).toMatch(/access +Deny by default, rules: 3/);
  expect(text).toMatch(/rejected +shop\/new:80: needs feature teapots/);
  expect(text).toMatch(/9080 +Http1 +Permissive +shop\/web/);
  expect(text).toMatch(/10\.96\.0\.9:80 +unknown +- +-/);
  expect(text).toMatch(/shop\/reviews:9080 +Http1 +canary rest +shop\/reviews:9080 \(2\)/);
  expect(ran).toEqual(['weft-proxy: show config']);
});

test('as JSON the configuration is all of it', async () => {
  expect(JSON.parse(await typed('config', 'web-1', '-o', 'json'))).toEqual(DUMP);
});

test('certificates are told with what is left of them, and the roots with their fingerprints', async () => {
  const text = await typed('certs', 'web-1');
  expect(text).toMatch(new RegExp(`certificate +${WEB} +\\S+ +\\S+ +1[12] h`));
  expect(text).toMatch(/root +\S.* [0-9a-f]{16} +\S+Z +\S+Z +\d+ days/);
});

test('certificates as JSON are for alerts; without a bundle it is said that there is none', async () => {
  const found = JSON.parse(await typed('certs', 'web-1', '-o', 'json')) as object;
  expect(found).toMatchObject({
    pod: 'shop/web-1',
    certificate: { identity: WEB, daysLeft: 0.5 },
    roots: [{ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    notes: [],
  });
  written.out.length = 0;
  cluster.server.remove('/api/v1/configmaps', { namespace: 'shop', name: 'weft-trust' });
  expect(JSON.parse(await typed('certs', 'web-1', '-o', 'json'))).toMatchObject({
    roots: [],
    notes: [expect.stringContaining('ConfigMap shop/weft-trust does not exist')],
  });
});

test('the roots of a pod with a pod certificate are those that the kubelet mounts, not those of its namespace', async () => {
  const mesh = meshContainers({ podCertificate: true });
  cluster.server.put('/api/v1/pods', {
    metadata: { name: 'kept-1', namespace: 'shop', labels: { 'weft.dev/rev': 'canary' } },
    spec: { containers: [{ name: 'app' }], initContainers: [mesh.init, mesh.proxy] },
    status: { phase: 'Running' },
  });
  const other = await testCa('elsewhere');
  cluster.server.put('/apis/certificates.k8s.io/v1/clustertrustbundles', {
    metadata: { name: 'weft.dev:workload:canary' },
    spec: { signerName: 'weft.dev/workload', trustBundle: other.issuer.roots },
  });
  const sha256 = new X509Certificate(other.issuer.roots).fingerprint256.replaceAll(':', '').toLowerCase();
  expect(JSON.parse(await typed('certs', 'kept-1', '-o', 'json'))).toMatchObject({
    roots: [{ sha256 }],
    notes: [],
  });
  written.out.length = 0;
  cluster.server.remove('/apis/certificates.k8s.io/v1/clustertrustbundles', {
    name: 'weft.dev:workload:canary',
  });
  expect(JSON.parse(await typed('certs', 'kept-1', '-o', 'json'))).toMatchObject({
    roots: [],
    notes: [expect.stringContaining('ClusterTrustBundle weft.dev:workload:canary does not exist')],
  });
});

test('a log level is told and set, and what is no filter is refused in the words of the proxy', async () => {
  expect(await typed('log', 'web-1')).toBe('info\n');
  written.out.length = 0;
  expect(await typed('log', 'web-1', 'debug')).toBe('the proxy of shop/web-1 logs debug from now on\n');
  expect(ran).toEqual(['weft-proxy: show loglevel', 'weft-proxy: loglevel debug', 'weft-proxy: show loglevel']);
  await typed('log', 'web-1', '=nonsense=');
  expect(written.error).toEqual(['weft: the proxy of shop/web-1 says: `=nonsense=` is not a filter\n']);
  expect(process.exitCode).toBe(2);
});

test('a proxy that does not answer is not waited for without end', async () => {
  let gone: AbortSignal | undefined;
  cluster.server.onExec((call) => void (gone = call.gone));
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  jest.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms === 30_000 ? 50 : ms));
  await typed('config', 'web-1');
  expect(written.error).toEqual(['weft: the proxy of shop/web-1 has not answered within 30 s\n']);
  expect(process.exitCode).toBe(2);
  await eventually('the command has ended', () => gone?.aborted);
});

test('metrics are what Prometheus reads, without a command in the pod', async () => {
  const lines = 'weft_requests_total{destination="shop/reviews:9080"} 7\n';
  cluster.server.onGet('/api/v1/namespaces/shop/pods/web-1:15121/proxy/metrics', () => lines);
  expect(await typed('metrics', 'web-1')).toBe(lines);
  written.out.length = 0;
  expect(JSON.parse(await typed('metrics', 'web-1', '-o', 'json'))).toMatchObject([
    { name: 'weft_requests_total', labels: { destination: 'shop/reviews:9080' }, value: 7 },
  ]);
  expect(ran).toEqual([]);
});

test('metrics as JSON are all of them, as the text is', async () => {
  const lines = Array.from({ length: 20_001 }, (_, place) => `weft_requests_total{route="${place}"} 7\n`).join('');
  cluster.server.onGet('/api/v1/namespaces/shop/pods/web-1:15121/proxy/metrics', () => lines);
  expect(JSON.parse(await typed('metrics', 'web-1', '-o', 'json'))).toHaveLength(20_001);
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** The Role `weft-inspect` of the page about rights. */
function documentedRules(): readonly Rule[] {
  const blocks = readFileSync('docs/explain.md', 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```$/gm);
  return [...blocks]
    .flatMap(([, text = '']) => parseAllDocuments(text))
    .map((document) => document.toJS() as { kind?: string; rules?: readonly Rule[] })
    .flatMap(({ kind, rules = [] }) => (kind === 'Role' ? rules : []));
}

test('the documented Role allows all that these commands ask for in the namespace of a pod', async () => {
  cluster.server.onGet('/api/v1/namespaces/shop/pods/web-1:15121/proxy/metrics', () => 'weft_up 1\n');
  for (const words of [['config'], ['certs'], ['metrics'], ['log']]) await typed(...words, 'deploy/web');
  const rules = documentedRules();
  const asked = cluster.server.requests.flatMap(({ path }) => {
    const at = /^\/apis?(?:\/([^/]+))?\/v1\/namespaces\/shop\/([^/]+)(?:\/([^/]+)(?:\/([^/]+))?)?/.exec(path);
    if (at === null) return [];
    const [, group = '', kind = '', name, part] = at;
    return [{ group, resource: part === undefined ? kind : `${kind}/${part}`, name }];
  });
  const allowed = asked.map(({ group, resource, name }) =>
    rules.some(
      ({ apiGroups, resources, resourceNames, verbs }) =>
        apiGroups.includes(group) &&
        resources.includes(resource) &&
        verbs.includes(name === undefined ? 'list' : 'get') &&
        (resourceNames === undefined || resourceNames.includes(name ?? '')),
    ),
  );
  expect(asked.filter((_, place) => allowed[place] !== true)).toEqual([]);
  expect(new Set(asked.map(({ resource }) => resource))).toEqual(
    new Set(['deployments', 'pods', 'pods/exec', 'pods/proxy', 'configmaps']),
  );
});

test('who may not look inside is told which right is missing, and nothing is run', async () => {
  cluster.server.onPost(REVIEW, () => ({ status: 201, body: { status: { allowed: false } } }));
  await typed('config', 'web-1');
  expect(written.error.join('')).toContain('get and create on pods/exec are missing');
  expect(process.exitCode).toBe(2);
  expect(ran).toEqual([]);
});
