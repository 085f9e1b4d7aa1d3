import { chmod, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { parseManifests } from '../../api/index.js';
import { meshContainers } from '../../testing/index.js';
import { ClusterFixture, WEBHOOKS } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { withCharts } from './charts.js';
import { HelmFixture } from './helm.fixture.js';
import { helmOf } from './helm.js';
import { install, rendered, type InstallOptions } from './install.js';
import { upgrade, type UpgradeOptions } from './upgrade.js';

const CHARTS = {
  'weft/Chart.yaml': 'name: weft\nappVersion: 0.2.0\n',
  'weft-crds/Chart.yaml': 'name: weft-crds\n',
};

let cluster: ClusterFixture;
let helm: HelmFixture;
let said: string[];
let forbidden: readonly string[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  helm = new HelmFixture();
  [said, forbidden] = [[], []];
  cluster.server.onPost('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', (body) => {
    const { spec } = body as { spec: { resourceAttributes: { resource: string; group: string } } };
    const { resource, group } = spec.resourceAttributes;
    return { status: 201, body: { status: { allowed: !forbidden.includes(`${resource}.${group}`) } } };
  });
});

afterEach(() => cluster.stop());

const options = (over: Partial<UpgradeOptions> = {}): UpgradeOptions => ({
  client: cluster.client,
  page: createPage({ colours: false }),
  revision: 'default',
  systemNamespace: 'weft-system',
  helm: helm.run,
  charts: CHARTS,
  set: [],
  values: [],
  timeoutMs: 2_000,
  everyMs: 5,
  progress: (line) => said.push(line),
  dryRun: false,
  ...over,
});
const installing = (over: Partial<InstallOptions> = {}): ReturnType<typeof install> => install(options(over));

/** The control plane of this version, and a pod with a proxy of that one. */
async function installed(version: string, proxy = version): Promise<void> {
  await cluster.install();
  cluster.controlPlane({ spec: specOf(version) });
  const { init, proxy: container } = meshContainers();
  cluster.server.put('/api/v1/pods', {
    metadata: { name: 'web-1', namespace: 'shop' },
    spec: { containers: [{ name: 'app' }], initContainers: [init, { ...container, image: `weft:${proxy}` }] },
    status: { phase: 'Running' },
  });
}

/** Of the control plane, as weft install does it. */
const isInstallation = ([, how, release]: readonly string[]): boolean =>
  how === '--install' && release !== 'weft-crds';

const metadataOf = (object: unknown): object => (object as { metadata: object }).metadata;

const specOf = (version: string): object => ({
  template: { spec: { containers: [{ image: `docker.io/weft/weft:${version}`, env: [] }] } },
});

test('kinds are installed first, then the control plane with the values given, and what weft check says is the end', async () => {
  helm.does = async (words) => {
    if (isInstallation(words)) await cluster.install();
  };
  const { ok, text } = await installing({ set: ['image.tag=x'], values: ['my.yaml'] });
  expect(helm.asked).toEqual([
    'upgrade --install weft-crds CHARTS/weft-crds --namespace weft-system --create-namespace',
    'upgrade --install weft CHARTS/weft --namespace weft-system --values my.yaml --set image.tag=x',
  ]);
  expect(text).toMatch(/Weft is in order\.$/);
  expect(ok).toBe(true);
  expect(said.at(-1)).toBe('Deployment weft-system/weft-default: 2 of 2 replicas new, 2 ready');
});

test('with a root that is kept elsewhere, the issuer is there before the control plane, and no root', async () => {
  const folder = join(await mkdtemp(join(tmpdir(), 'weft-')), 'root');
  const secret = (name: string): object | undefined =>
    cluster.server.get('/api/v1/secrets', { namespace: 'weft-system', name });
  helm.does = (words) => {
    if (!isInstallation(words)) return Promise.resolve();
    expect(secret('weft-issuer')).toBeDefined();
    cluster.controlPlane();
    return Promise.resolve();
  };
  await installing({ offlineRoot: folder, timeoutMs: 50 });
  expect(helm.asked).toHaveLength(2);
  expect(secret('weft-root')).toBeUndefined();
  expect(cluster.server.all('/api/v1/namespaces').map(({ metadata }) => metadata.name)).toContain(
    'weft-system',
  );
  expect((await readdir(folder)).sort()).toEqual(['root.crt', 'root.key']);
});

test('a root that is kept elsewhere does not take the place of that of a mesh that runs', async () => {
  await cluster.install();
  await expect(installing({ revision: 'canary', offlineRoot: '/root' })).rejects.toThrow(
    /what the running mesh signs with.*weft identity offline \/root/,
  );
  expect(helm.asked).toEqual([]);
});

test('what is printed holds the namespace, as deploy/ has it, and no root is left out in silence', async () => {
  const [namespace, ...charts] = parseManifests(await rendered(options({ systemNamespace: 'mesh' })), 'it');
  const [asDeployed] = parseManifests(await readFile('deploy/namespace.yaml', 'utf8'), 'it');
  expect(namespace).toEqual({
    ...(asDeployed as object),
    metadata: { ...metadataOf(asDeployed), name: 'mesh' },
  });
  expect(charts[0]).toMatchObject({ kind: 'Deployment' });
  await expect(rendered(options({ offlineRoot: '/root' }))).rejects.toThrow(
    /--dry-run --offline-root: .*then weft identity offline \/root/,
  );
});

test('a second revision has a release of its own and shares the service account', async () => {
  await cluster.install();
  helm.does = (words) => {
    if (isInstallation(words)) cluster.controlPlane({ revision: 'canary' });
    return Promise.resolve();
  };
  await installing({ revision: 'canary', timeoutMs: 50 });
  expect(helm.asked[1]).toBe(
    'upgrade --install weft-canary CHARTS/weft --namespace weft-system --set revision=canary --set serviceAccount.create=false',
  );
});

test('what speaks against it is found before anything is changed', async () => {
  forbidden = ['clusterroles.rbac.authorization.k8s.io'];
  cluster.server.put('/api/v1/resourcequotas', {
    metadata: { name: 'small', namespace: 'weft-system' },
    spec: { hard: { pods: '3', 'limits.cpu': '4' } },
    status: { used: { pods: '2' } },
  });
  cluster.server.put(WEBHOOKS, { metadata: { name: 'istio-sidecar-injector' }, webhooks: [] });
  expect(await installing()).toEqual({ ok: false, text: 'Nothing was installed.' });
  expect(helm.asked).toEqual([]);
  const [before] = said;
  expect(before).toMatch(/failed +rights +you may not create clusterroles\n +-> WEFT931/);
  expect(before).toMatch(
    /ResourceQuota small counts limits\.cpu, and the control plane sets none\n +-> WEFT933/,
  );
  expect(before).toMatch(/ResourceQuota small has room for 1 more pod, and it takes 2\n/);
  expect(before).toMatch(/caution +other meshes +.*istio-sidecar-injector\n +-> WEFT932/);
});

const quota = (hard: object, used: object = {}): void =>
  void cluster.server.put('/api/v1/resourcequotas', {
    metadata: { name: 'small', namespace: 'weft-system' },
    spec: { hard },
    status: { used },
  });
const range = (limits: object): void =>
  void cluster.server.put('/api/v1/limitranges', {
    metadata: { name: 'usual', namespace: 'weft-system' },
    spec: { limits: [{ type: 'Container', ...limits }] },
  });
/** The options that the last preflight told to set. */
const fixes = (): readonly string[] =>
  [...(said[0]?.matchAll(/--set (\S+)/g) ?? [])].map(([, set = '']) => set);

test.each([
  ['counts limits of CPU', { 'limits.cpu': '4' }, 'resources.limits.cpu=1000m'],
  ['has less of it than is usual', { 'limits.cpu': '1' }, 'resources.limits.cpu=500m'],
  ['has room for one pod', { pods: '1' }, 'replicas=1'],
  ['has little memory', { 'requests.memory': '400Mi' }, 'resources.requests.memory=200Mi'],
])('where a quota %s, the fix that is told is accepted', async (_what, hard, fix) => {
  quota(hard);
  expect((await installing()).ok).toBe(false);
  expect(fixes()).toEqual([fix]);
  helm.does = async (words) => {
    if (isInstallation(words)) await cluster.install();
  };
  expect((await installing({ set: [fix] })).ok).toBe(true);
});

test('what a LimitRange sets for the control plane is enough for a quota', async () => {
  quota({ 'limits.cpu': '4' });
  range({ default: { cpu: '2' } });
  helm.does = async (words) => {
    if (isInstallation(words)) await cluster.install();
  };
  expect((await installing()).ok).toBe(true);
});

test.each([
  ['one pod', { pods: '3' }, { pods: '2' }, [], true],
  ['no pod', { pods: '2' }, { pods: '2' }, [], false],
  ['one pod, for two more replicas', { pods: '3' }, { pods: '2' }, ['replicas=4'], false],
  ['a limit that was set before', { 'limits.cpu': '3' }, { 'limits.cpu': '2' }, [], true],
])('an upgrade takes the surge alone: where there is room for %s', async (_what, hard, used, set, fits) => {
  await installed('0.1.0');
  helm.values = { resources: { limits: { cpu: '1' } } };
  quota(hard, used);
  expect((await upgrade(options({ set, dryRun: true }))).ok).toBe(fits);
});

test('another mesh is no reason not to install', async () => {
  cluster.server.put(WEBHOOKS, { metadata: { name: 'istio-sidecar-injector' }, webhooks: [] });
  helm.does = async (words) => {
    if (isInstallation(words)) await cluster.install();
  };
  expect((await installing()).ok).toBe(true);
});

test('what is installed is not installed again, and no second namespace gets a root of its own', async () => {
  await installed('0.2.0');
  await expect(installing()).rejects.toThrow(/revision default is installed .* weft upgrade/);
  await expect(installing({ systemNamespace: 'other' })).rejects.toThrow(
    /runs in namespace weft-system already.*--system-namespace weft-system/,
  );
  expect(helm.asked).toEqual([]);
});

test('one that does not become ready is told so in time', async () => {
  helm.does = (words) => {
    if (isInstallation(words)) cluster.controlPlane({ status: { readyReplicas: 1 } });
    return Promise.resolve();
  };
  await expect(installing({ timeoutMs: 50 })).rejects.toThrow(
    /2 of 2 replicas new, 1 ready after .*weft check says why/,
  );
});

test('an upgrade keeps values and says which pods have an older proxy', async () => {
  await installed('0.1.0');
  helm.does = (words) => {
    if (words[0] === 'upgrade' && words[1] === 'weft') cluster.controlPlane({ spec: specOf('0.2.0') });
    return Promise.resolve();
  };
  const { ok, text } = await upgrade(options());
  expect(helm.asked).toEqual([
    'get values weft --namespace weft-system --output json',
    'upgrade --install weft-crds CHARTS/weft-crds --namespace weft-system --create-namespace',
    'upgrade weft CHARTS/weft --namespace weft-system --reset-then-reuse-values',
  ]);
  expect(said).toContain('Brings Deployment weft-system/weft-default from 0.1.0 to 0.2.0');
  expect(text).toContain('1 pod with an older proxy, which works on');
  expect(text).toMatch(/  shop: web-1 \(0\.1\.0\)\n    kubectl rollout restart \S+ --namespace shop$/);
  expect(ok).toBe(true);
});

test('a dry run of an upgrade changes nothing', async () => {
  await installed('0.1.0');
  expect((await upgrade(options({ dryRun: true }))).text).toMatch(/^Nothing was changed\./);
  expect(helm.asked).toEqual(['get values weft --namespace weft-system --output json']);
});

test('who may not list pods is told that the proxies are not known, and not that all are new', async () => {
  await installed('0.1.0');
  cluster.server.refusing.set('/api/v1/pods', 403);
  expect((await upgrade(options({ dryRun: true }))).text).toContain('ask for "list" on pods');
});

test.each(['0.4.1', '1.2.0', '1.1.9'])('an upgrade from %s to 0.2.0 is refused', async (from) => {
  await installed(from);
  await expect(upgrade(options({ dryRun: true }))).rejects.toThrow(
    `the control plane is ${from} and this program 0.2.0: only one minor version is changed at a time`,
  );
});

test.each(['0.1.9', 'v0.1.0', '0.2.0', '0.2.7', '0.3.0', 'nightly'])(
  'one from %s to 0.2.0 is not',
  async (from) => {
    await installed(from);
    expect((await upgrade(options({ dryRun: true }))).ok).toBe(true);
  },
);

test.each([
  ['no release made', () => cluster.controlPlane({ annotations: {}, spec: specOf('0.1.0') })],
  ['a release made that Helm does not know', () => (helm.releases = [])],
])('what %s is upgraded as it was applied', async (_what, change) => {
  await installed('0.1.0');
  change();
  await expect(upgrade(options())).rejects.toThrow(
    /weft-default belongs to no Helm release .* kubectl apply --server-side -f deploy\/crds\.yaml,deploy\/weft\.yaml/,
  );
  expect(helm.asked).toEqual([]);
});

test('a tag that was set before is not kept by mistake', async () => {
  await installed('0.1.0');
  helm.values = { image: { tag: '0.1.0' } };
  await expect(upgrade(options())).rejects.toThrow(/image\.tag=0\.1\.0 among the values.*--set image\.tag= /);
  expect((await upgrade(options({ set: ['image.tag=0.2.0'], dryRun: true }))).ok).toBe(true);
  const values = join(await mkdtemp(join(tmpdir(), 'weft-')), 'same.json');
  await writeFile(values, JSON.stringify(helm.values));
  await expect(upgrade(options({ values: [values] }))).rejects.toThrow(/image\.tag=0\.1\.0/);
  await writeFile(values, JSON.stringify({ image: { tag: '0.2.0' } }));
  expect((await upgrade(options({ values: [values], dryRun: true }))).ok).toBe(true);
  await expect(upgrade(options({ set: ['image.repository=mirror/weft'] }))).rejects.toThrow(/image\.tag=0/);
  helm.values = { image: { tag: '0.2.0' } };
  expect((await upgrade(options({ dryRun: true }))).ok).toBe(true);
});

test('there is nothing to upgrade where nothing is', async () => {
  await expect(upgrade(options())).rejects.toThrow(/weft-default does not exist; weft install makes it/);
});

test('the charts are there while Helm works, and gone afterwards', async () => {
  let folder = '';
  await withCharts(CHARTS, async (given) => {
    folder = given;
    expect(await readFile(join(given, 'weft/Chart.yaml'), 'utf8')).toBe(CHARTS['weft/Chart.yaml']);
  });
  await expect(readdir(folder)).rejects.toThrow(/ENOENT/);
});

test('Helm is run for the same cluster, and its words are told where it fails', async () => {
  const command = join(await mkdtemp(join(tmpdir(), 'weft-')), 'helm');
  await writeFile(
    command,
    '#!/bin/sh\n[ "$1" = fail ] && { echo "release: not found" >&2; exit 1; }\necho "$@"\n',
  );
  await chmod(command, 0o755);
  const helm = helmOf({ kubeconfig: '/k', context: 'c' }, command);
  expect(await helm(['list', 'a b'])).toBe('list a b --kubeconfig /k --kube-context c\n');
  await expect(helm(['fail'])).rejects.toThrow('helm fail: release: not found');
  await expect(helmOf({}, '/nowhere/helm')(['list'])).rejects.toThrow(
    /helm is not on the path; install Helm 3\.14/,
  );
});
