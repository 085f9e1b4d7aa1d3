import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { connectPlain, type KubeClient } from '../kube/index.js';
import { ApiServer } from '../testing/index.js';
import { analyze } from './analyze.js';
import { check } from './check.js';
import { createPage } from './page.js';
import { program } from './program.js';
import { status } from './status.js';

const POLICIES = '/apis/weft.dev/v1alpha1/trafficpolicies';
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const page = createPage({ colours: false });
const roots = 'the roots';
let server: ApiServer;
let client: KubeClient;

beforeEach(async () => {
  server = await ApiServer.start();
  client = connectPlain(server.url);
});

afterEach(async () => {
  client.close();
  await server.stop();
});

function namespace(name: string, labels: Record<string, string> = { 'weft.dev/inject': 'enabled' }): void {
  server.put('/api/v1/namespaces', { metadata: { name, labels } });
}

function pod(name: string, proxy: boolean): void {
  const containers = proxy ? [{ name: 'app' }, { name: 'weft-proxy' }] : [{ name: 'app' }];
  const condition = { type: 'Ready', status: 'True' };
  server.put('/api/v1/pods', {
    metadata: { name, namespace: 'shop' },
    spec: { containers },
    status: { phase: 'Running', conditions: [condition] },
  });
}

function policy(
  name: string,
  conditions: object[],
  extra: { spec?: object; annotations?: object } = {},
): void {
  const spec = extra.spec ?? { targetRefs: [{ kind: 'Service', name: 'reviews' }] };
  server.put(POLICIES, {
    metadata: { name, namespace: 'shop', annotations: extra.annotations ?? {} },
    spec,
    status: { conditions },
  });
}

function install(): void {
  server.onGet('/apis/weft.dev/v1alpha1', () =>
    JSON.stringify({ resources: [{ name: 'trafficpolicies' }, { name: 'meshconfigs' }] }),
  );
  server.put('/apis/apps/v1/deployments', {
    metadata: { name: 'weft-default', namespace: 'weft-system' },
    spec: { replicas: 2 },
    status: { readyReplicas: 2 },
  });
  const caBundle = Buffer.from(roots).toString('base64');
  server.put(WEBHOOKS, {
    metadata: { name: 'weft-default' },
    webhooks: [{ name: 'a', clientConfig: { caBundle } }],
  });
  server.put('/api/v1/secrets', {
    metadata: { name: 'weft-issuer', namespace: 'weft-system' },
    data: { 'ca.crt': caBundle },
  });
  namespace('shop');
  server.put('/api/v1/configmaps', {
    metadata: { name: 'weft-trust', namespace: 'shop' },
    data: { 'bundle.pem': roots },
  });
}

const runCheck = () => check({ client, page, revision: 'default', systemNamespace: 'weft-system' });

test('check is content with a whole installation', async () => {
  install();
  pod('meshed', true);
  const { ok, text } = await runCheck();
  expect(text).not.toMatch(/failed|caution/);
  expect(ok).toBe(true);
});

test('check says what is missing on an empty cluster, and what to do', async () => {
  server.absent.add('/apis/weft.dev/v1alpha1/');
  const { ok, text } = await runCheck();
  expect(ok).toBe(false);
  expect(text).toMatch(/does not know weft.dev\/v1alpha1\n.*install the chart weft-crds/);
  expect(text).toMatch(/Deployment weft-system\/weft-default is not there\n.*helm install weft/);
});

test.each<[string, () => void, RegExp]>([
  [
    'a foreign caBundle',
    () =>
      server.put(WEBHOOKS, {
        metadata: { name: 'weft-default' },
        webhooks: [{ name: 'a', clientConfig: { caBundle: 'eA==' } }],
      }),
    /caBundle is not our roots in 1 entries/,
  ],
  [
    'a namespace under restricted pod security',
    () =>
      namespace('shop', { 'weft.dev/inject': 'enabled', 'pod-security.kubernetes.io/enforce': 'restricted' }),
    /shop enforces the pod security standard restricted, which refuses the init container/,
  ],
  ['a namespace without trust bundle', () => namespace('new'), /namespace new has no ConfigMap weft-trust/],
  [
    'no replica',
    () =>
      server.put('/apis/apps/v1/deployments', {
        metadata: { name: 'weft-default', namespace: 'weft-system' },
        spec: { replicas: 2 },
      }),
    /0 of 2 ready/,
  ],
])('check fails for %s', async (_what, spoil, message) => {
  install();
  spoil();
  const { ok, text } = await runCheck();
  expect(text).toMatch(message);
  expect(ok).toBe(false);
});

test('check cautions about a pod that is older than the label, and stops at a cluster that does not answer', async () => {
  install();
  pod('old', false);
  expect(await runCheck()).toMatchObject({
    ok: true,
    text: expect.stringMatching(/1 pods should have a proxy and have none, such as shop\/old/),
  });
  server.failNext(503);
  const { ok, text } = await runCheck();
  expect(ok).toBe(false);
  expect(text.split('\n').filter((line) => /^(ok|failed|caution)/.test(line))).toHaveLength(1);
});

const accepted = {
  type: 'Accepted',
  status: 'True',
  reason: 'Accepted',
  message: 'fine',
  observedGeneration: 1,
};
const missing = {
  type: 'ResolvedRefs',
  status: 'False',
  reason: 'TargetNotFound',
  message: 'Service shop/x does not exist',
  observedGeneration: 1,
};

test('status shows conditions with their reasons, and pods by namespace', async () => {
  namespace('shop');
  namespace('quiet', {});
  pod('a', true);
  pod('b', false);
  policy('reviews', [accepted, missing]);
  const text = await status({ client, page, output: 'text', revision: 'default' });
  expect(text).toMatch(
    /NAMESPACE +POLICY +ACCEPTED +RESOLVED +PROGRAMMED\nshop +reviews +yes +no \(TargetNotFound\) +not yet/,
  );
  expect(text).toContain('shop/reviews Service shop/x does not exist');
  expect(text).toMatch(/NAMESPACE +PODS +MESHED +READY +WITHOUT PROXY\nshop +2 +1 +1 +b/);
  expect(text).not.toContain('quiet');
});

test('status as JSON is for programs', async () => {
  policy('reviews', [{ ...accepted, observedGeneration: 0 }]);
  const report = JSON.parse(await status({ client, page, output: 'json', revision: 'default' })) as object;
  expect(report).toMatchObject({
    policies: [{ namespace: 'shop', name: 'reviews', outdated: true }],
    namespaces: [],
  });
});

test('analyze reads files with many documents and names object, field and remedy', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'weft-')), 'policies.yaml');
  const head =
    'apiVersion: weft.dev/v1alpha1\nkind: TrafficPolicy\nmetadata: {name: NAME, namespace: shop}\n';
  const good = 'spec: {targetRefs: [{kind: Service, name: reviews}]}\n';
  const bad = 'spec: {targetRefs: [{kind: Service, name: reviews}], rotues: []}\n';
  await writeFile(
    file,
    `${head.replace('NAME', 'good')}${good}---\n${head.replace('NAME', 'bad')}${bad}---\n`,
  );
  const { ok, text } = await analyze({ files: [file], client: () => client, page });
  expect(ok).toBe(false);
  expect(text).toBe(
    `TrafficPolicy shop/bad (${file})\n  spec.rotues: unknown field "rotues"; did you mean routes?\n1 findings in 2 objects.`,
  );
});

test('analyze finds in the cluster what the API server dropped, by what kubectl left', async () => {
  const applied = {
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { name: 'reviews', namespace: 'shop' },
    spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }], typo: 1 },
  };
  policy('reviews', [], {
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(applied) },
  });
  const { ok, text } = await analyze({ files: [], client: () => client, page });
  expect(ok).toBe(false);
  expect(text).toContain('spec.typo: unknown field "typo"');
});

test('analyze says which file it cannot read', async () => {
  await expect(analyze({ files: ['/nowhere.yaml'], client: () => client, page })).rejects.toThrow(
    /cannot read \/nowhere.yaml/,
  );
});

test('every command explains itself', () => {
  for (const command of program().commands) expect(command.description()).not.toBe('');
  expect(program().commands.map((command) => command.name())).toEqual(
    expect.arrayContaining(['controller', 'check', 'status', 'analyze', 'dashboard']),
  );
});
