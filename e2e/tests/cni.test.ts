import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { app, deploy, load, namespace, type App } from '../support/app.js';
import { NODE, installCni, uninstallCni, usedConfiguration } from '../support/cni.js';
import { weftObject } from '../support/policy.js';
import { apply, eventually, get, kubectl, kubectlRefused } from '../support/run.js';
import { installWeft, weft } from '../support/weft.js';

// CNI mode: the node's plugin captures pods, which need no capability then, so that they may be in a namespace that is restricted.

const NS = 'e2e-cni';
const PLAIN = 'e2e-cni-plain';
const SYSTEM = 'kube-system';

const RESTRICTED = {
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
};

const member = (name: string): App => ({ namespace: NS, name, container: RESTRICTED });

interface Pod {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

async function podOf(namespace: string, name: string): Promise<Pod | undefined> {
  const { items } = await get<{ items: readonly Pod[] }>(
    ...['pods', '-n', namespace, '-l', `deployment=${name}`],
  );
  return items[0];
}

const isReady = (pod: Pod | undefined): boolean =>
  pod?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

/** What a caller gets from the server, by status. */
async function asked(from: string, client: string): Promise<Readonly<Record<string, number>>> {
  const url = `http://server.${NS}:8080/`;
  const report = await load(from, `deploy/${client}`, '-url', url, '-count', '20', '-rate', '50');
  return report.statuses;
}

/** While no agent runs on the node. */
async function withoutAgent(work: () => Promise<void>): Promise<void> {
  const place = (selector: object): Promise<string> =>
    kubectl(
      ...['patch', 'daemonset', 'weft-cni', '-n', SYSTEM, '--type=json', '-p'],
      JSON.stringify([{ op: 'replace', path: '/spec/template/spec/nodeSelector', value: selector }]),
    );
  await place({ 'weft.dev/nowhere': 'true' });
  try {
    await kubectl(
      ...['wait', '--for=delete', 'pod', '-n', SYSTEM, '-l', 'app.kubernetes.io/name=weft-cni'],
      '--timeout=60s',
    );
    await work();
  } finally {
    await place({ 'kubernetes.io/os': 'linux' });
    await kubectl('rollout', 'status', 'daemonset/weft-cni', '-n', SYSTEM, '--timeout=60s');
  }
}

beforeAll(async () => {
  await installCni();
  await installWeft('cni.enabled=true');
  await apply([
    namespace(NS, {
      'weft.dev/inject': 'enabled',
      'pod-security.kubernetes.io/enforce': 'restricted',
    }),
    namespace(PLAIN, {}),
  ]);
}, 300_000);

afterAll(async () => {
  await installWeft();
  if (readFileSync(usedConfiguration(), 'utf8').includes('weft-cni')) await uninstallCni();
  // The program stays for pods that were made with it, which on this node are gone.
  rmSync(join(NODE.programs, 'weft-cni'), { force: true });
  await kubectl('delete', 'namespace', NS, PLAIN, '--wait=false');
}, 300_000);

test('pods of a restricted namespace join the mesh as they are', async () => {
  await deploy(member('server'), member('client'));
  await deploy({ namespace: PLAIN, name: 'client' });
  await apply(weftObject('MeshTLSPolicy', NS, 'strict', { mode: 'Strict' }));
  // Whoever is captured is known by its certificate, and nobody else is answered.
  await eventually('only the mesh is answered', async () => {
    expect(await asked(PLAIN, 'client')).toEqual({});
    return (await asked(NS, 'client'))['200'] === 20;
  });
  expect(await weft('check')).not.toMatch(/WEFT615/);
  // Whoever may change pods cannot have more bypass the proxy when a sandbox is made the next time.
  const more = `weft.dev/capture={"skipInboundPorts":"8080"}`;
  expect(
    await kubectlRefused(['annotate', 'pod', '-n', NS, '-l', 'deployment=server', '--overwrite', more]),
  ).toMatch(/does not change; recreate the pod/);
});

test('while the agent is away pods of the mesh wait and others start', async () => {
  await withoutAgent(async () => {
    await apply([member('late'), { namespace: PLAIN, name: 'other' } satisfies App].flatMap(app));
    await eventually(
      'the pod without a proxy is ready',
      async () => isReady(await podOf(PLAIN, 'other')),
      60,
    );
    await eventually(
      'the pod of the mesh says what it waits for',
      async () =>
        (await kubectl('get', 'events', '-n', NS, '-o', 'jsonpath={.items[*].message}')).includes(
          'Look at the DaemonSet weft-cni',
        ),
      90,
    );
    expect(isReady(await podOf(NS, 'late'))).toBe(false);
  });
  await eventually('it starts', async () => isReady(await podOf(NS, 'late')), 90);
  expect(await asked(NS, 'late')).toEqual({ 200: 20 });
});

test('a pod that the plugin has missed does not start and has a successor, and the plugin comes back into the configuration', async () => {
  const path = usedConfiguration();
  await withoutAgent(async () => {
    const list = JSON.parse(readFileSync(path, 'utf8')) as { plugins: readonly { type: string }[] };
    expect(list.plugins.at(-1)?.type).toBe('weft-cni');
    // As a network plugin does that starts after the node has booted.
    const plugins = list.plugins.filter(({ type }) => type !== 'weft-cni');
    writeFileSync(path, JSON.stringify({ ...list, plugins }));
    await apply(app(member('missed')));
    // Its first container says so, and lets nothing start; the control plane evicts it.
    await eventually(
      'its owner is told why',
      async () =>
        (await kubectl('get', 'events', '-n', NS, '-o', 'jsonpath={.items[*].message}')).includes(
          'came before the CNI plugin of its node was in place',
        ),
      60,
    );
    expect(isReady(await podOf(NS, 'missed'))).toBe(false);
  });
  await eventually('the plugin is back', () =>
    Promise.resolve(readFileSync(path, 'utf8').includes('weft-cni')),
  );
  await eventually('its successor starts', async () => isReady(await podOf(NS, 'missed')), 90);
  expect(await asked(NS, 'missed')).toEqual({ 200: 20 });
});

test('uninstalled it leaves the network configuration as it was', async () => {
  await uninstallCni();
  expect(readFileSync(usedConfiguration(), 'utf8')).not.toContain('weft-cni');
  // What runs goes on as it was.
  expect(await asked(NS, 'client')).toEqual({ 200: 20 });
});
