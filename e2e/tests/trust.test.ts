import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, namespace } from '../support/app.js';
import { kubernetesMinor } from '../support/kubernetes.js';
import { apply, eventually, get, kubectl, kubectlRefused, run } from '../support/run.js';

const NS = 'e2e-trust';
const LATE = 'e2e-trust-late';
const AS = ['--as', `system:serviceaccount:${NS}:tenant`];
const AT = ['-n', NS];

interface ConfigMap {
  readonly metadata: { readonly uid: string; readonly labels: Readonly<Record<string, string>> };
  readonly data: Readonly<Record<string, string>>;
}

const trust = () => get<ConfigMap>('configmap', 'weft-trust', ...AT);
const configMap = (ns: string, name: string) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: ns },
  data: { 'bundle.pem': 'theirs' },
});

const guarded = (await kubernetesMinor()) >= 30 ? test : test.skip;

// Somebody who may do with the ConfigMaps of both namespaces what they like.
beforeAll(async () => {
  await apply([namespace(NS), namespace(LATE, {})]);
  await kubectl('create', 'serviceaccount', 'tenant', ...AT);
  for (const ns of [NS, LATE]) {
    const whom = ['--clusterrole=edit', `--serviceaccount=${NS}:tenant`];
    await kubectl('create', 'rolebinding', 'tenant', '-n', ns, ...whom);
  }
  await deploy({ namespace: NS, name: 'app' });
});

afterAll(() => kubectl('delete', 'namespace', NS, LATE, '--wait=false', '--ignore-not-found'));

guarded('an editor of ConfigMaps does not choose the roots of a namespace', async () => {
  const before = await trust();
  const change = (patch: object) =>
    kubectlRefused([
      'patch',
      'configmap',
      'weft-trust',
      ...AT,
      ...AS,
      '--type=merge',
      '-p',
      JSON.stringify(patch),
    ]);
  for (const patch of [
    { data: { 'bundle.pem': 'theirs' } },
    { data: { 'more.pem': 'theirs' } },
    { binaryData: { more: 'dGhlaXJz' } },
    { immutable: true },
  ])
    expect(await change(patch)).toContain('only the control plane of Weft writes it');
  const made = JSON.stringify(configMap(LATE, 'weft-trust'));
  for (const verb of ['create', 'apply'])
    expect(await kubectlRefused([verb, '-f', '-', ...AS], made)).toContain('only the control plane of Weft');
  expect((await trust()).data).toEqual(before.data);
  // What does not change the roots, and other ConfigMaps, are theirs.
  await kubectl('label', 'configmap', 'weft-trust', ...AT, ...AS, 'team=shop');
  expect((await trust()).metadata.labels['team']).toBe('shop');
  await run('kubectl', ['create', '-f', '-', ...AS], { input: JSON.stringify(configMap(LATE, 'trust')) });
});

guarded(
  'one that is deleted is written again by the control plane',
  async () => {
    const before = await trust();
    await kubectl('delete', 'configmap', 'weft-trust', ...AT, ...AS);
    // A pod that comes has it looked at at once.
    await kubectl('rollout', 'restart', 'deployment/app', ...AT);
    const after = await eventually('it is there again', () => trust().catch(() => undefined), 200);
    expect(after.metadata.uid).not.toBe(before.metadata.uid);
    expect(after.data).toEqual(before.data);
    await kubectl('rollout', 'status', 'deployment/app', ...AT, '--timeout=120s');
  },
  360_000,
);

test('a namespace with it can be deleted', async () => {
  await kubectl('delete', 'namespace', NS, '--timeout=90s');
}, 120_000);
