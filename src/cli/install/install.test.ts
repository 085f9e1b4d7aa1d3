import { chmod, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { MeshError } from '../../base/index.js';
import { meshContainers } from '../../testing/index.js';
import { ClusterFixture, WEBHOOKS } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { withCharts } from './charts.js';
import { helmOf } from './helm.js';
import { install, type InstallOptions } from './install.js';
import { uninstall, type UninstallOptions } from './uninstall.js';
import { upgrade, type UpgradeOptions } from './upgrade.js';

const CHARTS = {
  'weft/Chart.yaml': 'name: weft\nappVersion: 0.2.0\n',
  'weft-crds/Chart.yaml': 'name: weft-crds\n',
};
const DEPLOYMENTS = '/apis/apps/v1/deployments';
const ACCOUNTS = '/api/v1/serviceaccounts';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let cluster: ClusterFixture;
/** What Helm was asked, with the folder of the charts as `CHARTS`. */
let asked: string[];
let said: string[];
/** Values that Helm tells of the release. */
let values: object;
/** What Helm does to the cluster. */
let does: (words: readonly string[]) => Promise<void>;
/** Releases that Helm knows. */
let releases: string[];
let forbidden: readonly string[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  [asked, said, values, forbidden] = [[], [], {}, []];
  does = () => Promise.resolve();
  releases = ['weft'];
  cluster.server.onPost('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', (body) => {
    const { spec } = body as { spec: { resourceAttributes: { resource: string; group: string } } };
    const { resource, group } = spec.resourceAttributes;
    return { status: 201, body: { status: { allowed: !forbidden.includes(`${resource}.${group}`) } } };
  });
});

afterEach(() => cluster.stop());

const options = (
  over: Partial<UpgradeOptions & UninstallOptions> = {},
): UpgradeOptions & UninstallOptions => ({
  client: cluster.client,
  page: createPage({ colours: false }),
  revision: 'default',
  systemNamespace: 'weft-system',
  helm: async (words) => {
    const [verb, release = ''] = words;
    if (verb === 'status') {
      if (releases.includes(release)) return '';
      throw new MeshError('precondition', 'helm status: Error: release: not found');
    }
    if (verb === 'uninstall' && releases.includes(release))
      cluster.server.remove(DEPLOYMENTS, {
        namespace: 'weft-system',
        name: release === 'weft' ? 'weft-default' : release,
      });
    asked.push(words.map((word) => word.replace(/^\/.*\/(weft(-crds)?)$/, 'CHARTS/$1')).join(' '));
    await does(words);
    return words[0] === 'get' ? JSON.stringify(values) : '';
  },
  charts: CHARTS,
  set: [],
  values: [],
  timeoutMs: 2_000,
  everyMs: 5,
  progress: (line) => said.push(line),
  dryRun: false,
  force: false,
  purge: false,
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

const specOf = (version: string): object => ({
  template: { spec: { containers: [{ image: `docker.io/weft/weft:${version}`, env: [] }] } },
});

test('kinds are installed first, then the control plane with the values given, and what weft check says is the end', async () => {
  does = async (words) => {
    if (isInstallation(words)) await cluster.install();
  };
  const { ok, text } = await installing({ set: ['image.tag=x'], values: ['my.yaml'] });
  expect(asked).toEqual([
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
  does = (words) => {
    if (!isInstallation(words)) return Promise.resolve();
    expect(secret('weft-issuer')).toBeDefined();
    cluster.controlPlane();
    return Promise.resolve();
  };
  await installing({ offlineRoot: folder, timeoutMs: 50 });
  expect(asked).toHaveLength(2);
  expect(secret('weft-root')).toBeUndefined();
  expect(cluster.server.all('/api/v1/namespaces').map(({ metadata }) => metadata.name)).toContain(
    'weft-system',
  );
  expect((await readdir(folder)).sort()).toEqual(['root.crt', 'root.key']);
});

test('a second revision has a release of its own and shares the service account', async () => {
  await cluster.install();
  does = (words) => {
    if (isInstallation(words)) cluster.controlPlane({ revision: 'canary' });
    return Promise.resolve();
  };
  await installing({ revision: 'canary', timeoutMs: 50 });
  expect(asked[1]).toBe(
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
  expect(asked).toEqual([]);
  const [before] = said;
  expect(before).toMatch(/failed +rights +you may not create clusterroles\n +-> WEFT931/);
  expect(before).toMatch(
    /ResourceQuota small counts limits\.cpu, and the control plane has no CPU limit\n +-> WEFT933/,
  );
  expect(before).toMatch(/ResourceQuota small has room for 1 more pod, and the control plane has 2/);
  expect(before).toMatch(/caution +other meshes +.*istio-sidecar-injector\n +-> WEFT932/);
});

test('another mesh is no reason not to install', async () => {
  cluster.server.put(WEBHOOKS, { metadata: { name: 'istio-sidecar-injector' }, webhooks: [] });
  does = async (words) => {
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
  expect(asked).toEqual([]);
});

test('one that does not become ready is told so in time', async () => {
  does = (words) => {
    if (isInstallation(words)) cluster.controlPlane({ status: { readyReplicas: 1 } });
    return Promise.resolve();
  };
  await expect(installing({ timeoutMs: 50 })).rejects.toThrow(
    /2 of 2 replicas new, 1 ready after .*weft check says why/,
  );
});

test('an upgrade keeps values and says which pods have an older proxy', async () => {
  await installed('0.1.0');
  does = (words) => {
    if (words[0] === 'upgrade' && words[1] === 'weft') cluster.controlPlane({ spec: specOf('0.2.0') });
    return Promise.resolve();
  };
  const { ok, text } = await upgrade(options());
  expect(asked).toEqual([
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
  expect(asked).toEqual(['get values weft --namespace weft-system --output json']);
});

test.each(['0.0.9', '0.4.1', '1.2.0'])(
  'an upgrade from %s to 0.2.0 is refused or not by the minor version',
  async (from) => {
    await installed(from);
    const done = upgrade(options({ dryRun: true }));
    if (from === '0.0.9') await expect(done).rejects.toThrow(/only one minor version/);
    else
      await expect(done).rejects.toThrow(new RegExp(`is ${from} and this program 0\\.2\\.0: only one minor`));
  },
);

test('a tag that was set before is not kept by mistake', async () => {
  await installed('0.1.0');
  values = { image: { tag: '0.1.0' } };
  await expect(upgrade(options())).rejects.toThrow(/image\.tag=0\.1\.0 among its values.*--set image\.tag= /);
  expect((await upgrade(options({ set: ['image.tag=0.2.0'], dryRun: true }))).ok).toBe(true);
  values = { image: { tag: '0.2.0' } };
  expect((await upgrade(options({ dryRun: true }))).ok).toBe(true);
});

test('there is nothing to upgrade where nothing is', async () => {
  await expect(upgrade(options())).rejects.toThrow(/weft-default does not exist; weft install makes it/);
});

test('an installation that is in use stays', async () => {
  await installed('0.2.0');
  await expect(uninstall(options())).rejects.toThrow(
    /1 namespace \(shop\) joined the mesh of revision default, and 1 pod of it has a proxy.*--force/,
  );
  expect(asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('a revision that no namespace names goes without force, though another one is in use', async () => {
  await installed('0.2.0');
  second();
  expect((await uninstall(options({ revision: 'canary' }))).ok).toBe(true);
  expect(asked).toHaveLength(1);
});

test('the webhook goes first, and policies stay', async () => {
  await installed('0.2.0');
  does = () => {
    expect(cluster.server.all(WEBHOOKS)).toEqual([]);
    return Promise.resolve();
  };
  const { text } = await uninstall(options({ force: true }));
  expect(asked).toEqual(['uninstall weft --namespace weft-system --wait --ignore-not-found']);
  expect(text).toMatch(/your policies are there still/);
});

test('purging counts what goes, deletes the kinds, and leaves them to another revision', async () => {
  await installed('0.2.0');
  cluster.policy('reviews', []);
  const definition = { namespace: '', name: 'trafficpolicies.weft.dev' };
  cluster.server.put(DEFINITIONS, { metadata: { name: definition.name } });
  const rehearsed = await uninstall(options({ force: true, purge: true, dryRun: true }));
  expect(rehearsed.text).toBe('Nothing was changed.');
  expect(said.join('\n')).toMatch(/  TrafficPolicy: 1, such as shop\/reviews\n/);
  expect(said.join('\n')).toMatch(/  MeshRole: 0\n/);
  expect(asked).toEqual([]);
  second();
  await expect(uninstall(options({ force: true, purge: true }))).rejects.toThrow(
    /revision canary needs the kinds/,
  );
  cluster.server.remove('/apis/apps/v1/deployments', { namespace: 'weft-system', name: 'weft-canary' });
  await uninstall(options({ force: true, purge: true }));
  expect(asked.at(-1)).toBe('uninstall weft-crds --namespace weft-system --ignore-not-found');
  expect(cluster.server.all(DEFINITIONS)).toEqual([]);
});

/** A second revision, and what it runs as, which the release of the first one made. */
function second(annotations: object = { 'helm.sh/resource-policy': 'keep' }): void {
  releases.push('weft-canary');
  cluster.controlPlane({ revision: 'canary' });
  cluster.server.put(ACCOUNTS, {
    metadata: {
      name: 'weft',
      namespace: 'weft-system',
      annotations: { 'meta.helm.sh/release-name': 'weft', ...annotations },
    },
  });
}

const accounts = (): readonly string[] => cluster.server.all(ACCOUNTS).map(({ metadata }) => metadata.name);

test('what other revisions run as stays until the last of them goes', async () => {
  await cluster.install();
  cluster.namespace('shop', { 'weft.dev/inject': 'enabled', 'weft.dev/rev': 'canary' });
  second();
  const { text } = await uninstall(options());
  expect(text).toMatch(/Root, issuer and ServiceAccount weft stay .*, for revision canary\.$/);
  expect(accounts()).toEqual(['weft']);
  await uninstall(options({ revision: 'canary', force: true }));
  expect(asked.at(-1)).toMatch(/^uninstall weft-canary /);
  expect(accounts()).toEqual([]);
});

test('a release of before, with which Helm would delete what another revision runs as, is upgraded first', async () => {
  await cluster.install();
  second({});
  await expect(uninstall(options({ force: true }))).rejects.toThrow(
    /revision canary runs as ServiceAccount weft-system\/weft, .* weft upgrade --revision default has it kept/,
  );
  expect(asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('the chart has what revisions share kept', async () => {
  const account = await readFile('charts/weft/templates/service-account.yaml', 'utf8');
  const [shared = ''] = account.split('\n---\n');
  expect(shared).toMatch(/annotations:\n.*\n    helm\.sh\/resource-policy: keep$/m);
});

test.each([
  ['what no release made', () => cluster.controlPlane({ annotations: {} })],
  ['what a release made that Helm does not know', () => (releases = [])],
])('%s is not uninstalled halfway', async (_what, change) => {
  await cluster.install();
  change();
  await expect(uninstall(options({ force: true, purge: true }))).rejects.toThrow(
    /Deployment weft-system\/weft-default belongs to no Helm release .*kubectl delete -f deploy\/weft\.yaml/,
  );
  expect(asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('with a wrong namespace or revision nothing is touched, and what there is is named', async () => {
  await cluster.install();
  await expect(uninstall(options({ systemNamespace: 'wrong', force: true }))).rejects.toThrow(
    /Weft runs in namespace weft-system, not in wrong: give --system-namespace weft-system/,
  );
  await expect(uninstall(options({ revision: 'wrong', force: true }))).rejects.toThrow(
    /revision wrong is not installed .*neither Deployment weft-system\/weft-wrong nor a Helm release weft-wrong; there is: default/,
  );
  expect(asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('what Helm leaves standing is not told to be uninstalled', async () => {
  await cluster.install();
  does = () => Promise.resolve(cluster.controlPlane());
  await expect(uninstall(options({ force: true }))).rejects.toThrow(/weft-default is there still/);
});

test('what an installation that failed left is taken away, and the kinds of one that is gone', async () => {
  expect((await uninstall(options())).text).toMatch(/^Uninstalled\./);
  releases = [];
  await expect(uninstall(options())).rejects.toThrow(/is not installed/);
  expect((await uninstall(options({ purge: true }))).text).toMatch(/^Purged\./);
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
