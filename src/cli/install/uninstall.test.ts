import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ClusterFixture, WEBHOOKS } from '../cluster.fixture.js';
import { createPage } from '../page.js';
import { HelmFixture, account } from './helm.fixture.js';
import { uninstall, type UninstallOptions } from './uninstall.js';

const DEPLOYMENTS = '/apis/apps/v1/deployments';
const ACCOUNTS = '/api/v1/serviceaccounts';
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let cluster: ClusterFixture;
let helm: HelmFixture;
let said: string[];

beforeEach(async () => {
  cluster = await ClusterFixture.start();
  helm = new HelmFixture();
  said = [];
  helm.does = ([verb, release]) => {
    if (verb === 'uninstall') remove(release === 'weft' ? 'weft-default' : (release ?? ''));
  };
});

afterEach(() => cluster.stop());

const remove = (name: string): void =>
  void cluster.server.remove(DEPLOYMENTS, { namespace: 'weft-system', name });

const options = (over: Partial<UninstallOptions> = {}): UninstallOptions => ({
  client: cluster.client,
  page: createPage({ colours: false }),
  revision: 'default',
  systemNamespace: 'weft-system',
  helm: helm.run,
  progress: (line) => said.push(line),
  dryRun: false,
  force: false,
  purge: false,
  ...over,
});

/** An installation, and a pod in it. */
async function inUse(): Promise<void> {
  await cluster.install();
  cluster.pod('web-1', true);
}

test('an installation that is in use stays', async () => {
  await inUse();
  await expect(uninstall(options())).rejects.toThrow(
    /1 namespace \(shop\) joined the mesh of revision default, and 1 pod of it has a proxy.*--force/,
  );
  expect(helm.asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('a revision that no namespace names goes without force, though another one is in use', async () => {
  await inUse();
  second();
  expect((await uninstall(options({ revision: 'canary' }))).ok).toBe(true);
  expect(helm.asked).toHaveLength(1);
});

test('the webhook goes first, and policies stay', async () => {
  await inUse();
  helm.does = () => {
    expect(cluster.server.all(WEBHOOKS)).toEqual([]);
    remove('weft-default');
  };
  const { text } = await uninstall(options({ force: true }));
  expect(helm.asked).toEqual(['uninstall weft --namespace weft-system --wait --ignore-not-found']);
  expect(text).toMatch(/your policies are there still/);
});

test('purging counts what goes, deletes the kinds, and leaves them to another revision', async () => {
  await inUse();
  cluster.policy('reviews', []);
  const definition = { namespace: '', name: 'trafficpolicies.weft.dev' };
  cluster.server.put(DEFINITIONS, { metadata: { name: definition.name } });
  const rehearsed = await uninstall(options({ force: true, purge: true, dryRun: true }));
  expect(rehearsed.text).toBe('Nothing was changed.');
  expect(said.join('\n')).toMatch(/  TrafficPolicy: 1, such as shop\/reviews\n/);
  expect(said.join('\n')).toMatch(/  MeshRole: 0\n/);
  expect(helm.asked).toEqual([]);
  second();
  await expect(uninstall(options({ force: true, purge: true }))).rejects.toThrow(
    /revision canary needs the kinds/,
  );
  cluster.server.remove('/apis/apps/v1/deployments', { namespace: 'weft-system', name: 'weft-canary' });
  await uninstall(options({ force: true, purge: true }));
  expect(helm.asked.at(-1)).toBe('uninstall weft-crds --namespace weft-system --ignore-not-found');
  expect(cluster.server.all(DEFINITIONS)).toEqual([]);
});

/** A second revision, and what it runs as, which the release of the first one made. */
function second(): void {
  helm.releases = ['weft', 'weft-canary'];
  cluster.controlPlane({ revision: 'canary' });
  cluster.server.put(ACCOUNTS, {
    metadata: {
      name: 'weft',
      namespace: 'weft-system',
      annotations: { 'meta.helm.sh/release-name': 'weft', 'helm.sh/resource-policy': 'keep' },
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
  expect(helm.asked.at(-1)).toMatch(/^uninstall weft-canary /);
  expect(accounts()).toEqual([]);
});

test('a release of before, with which Helm would delete what another revision runs as, is upgraded first', async () => {
  await cluster.install();
  second();
  helm.manifest = account({});
  await expect(uninstall(options({ force: true }))).rejects.toThrow(
    /revision canary runs as ServiceAccount weft-system\/weft, .* weft upgrade --revision default has it kept/,
  );
  expect(helm.asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('the chart has what revisions share kept', async () => {
  await cluster.install();
  second();
  helm.manifest = await readFile('deploy/weft.yaml', 'utf8');
  expect(helm.manifest).toMatch(/kind: ServiceAccount\nmetadata:\n  name: weft\n/);
  expect((await uninstall(options({ force: true }))).text).toMatch(/^Uninstalled\./);
});

test.each([
  ['what no release made', () => cluster.controlPlane({ annotations: {} })],
  ['what a release made that Helm does not know', () => (helm.releases = [])],
])('%s is not uninstalled halfway', async (_what, change) => {
  await cluster.install();
  change();
  await expect(uninstall(options({ force: true, purge: true }))).rejects.toThrow(
    /Deployment weft-system\/weft-default belongs to no Helm release .*kubectl delete -f deploy\/weft\.yaml/,
  );
  expect(helm.asked).toEqual([]);
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
  expect(helm.asked).toEqual([]);
  expect(cluster.server.all(WEBHOOKS)).toHaveLength(1);
});

test('what Helm leaves standing is not told to be uninstalled', async () => {
  await cluster.install();
  helm.does = () => undefined;
  await expect(uninstall(options({ force: true }))).rejects.toThrow(/weft-default is there still/);
});

test('what an installation that failed left is taken away, and the kinds of one that is gone', async () => {
  expect((await uninstall(options())).text).toMatch(/^Uninstalled\./);
  helm.releases = [];
  await expect(uninstall(options())).rejects.toThrow(/is not installed/);
  expect((await uninstall(options({ purge: true }))).text).toMatch(/^Purged\./);
});
