import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { kubectl, run, useCluster } from './run.js';

/** Where the node of the local cluster has things (e2e/cluster); with kind they are where they usually are. */
const LOCAL = { configurations: '/var/lib/weft-cluster/weft-node/cni', programs: '/usr/lib/cni' };
const USUAL = { configurations: '/etc/cni/net.d', programs: '/opt/cni/bin' };

export const NODE = existsSync(LOCAL.configurations) ? LOCAL : USUAL;

const SYSTEM = 'kube-system';

/** Installs the CNI plugin of this checkout, or upgrades it, and waits until it is on every node. */
export async function installCni(...set: string[]): Promise<void> {
  await useCluster();
  const image = await readFile(join(homedir(), '.cache/weft/image/weft.tar.hash'), 'utf8').catch(() => '');
  const values = [
    'image.tag=dev',
    `node.configurations=${NODE.configurations}`,
    `node.programs=${NODE.programs}`,
    ...set,
  ];
  await run('helm', [
    ...['upgrade', '--install', 'weft-cni', 'charts/weft-cni', '-n', SYSTEM],
    ...values.flatMap((value) => ['--set', value]),
  ]);
  // A rebuilt image has the tag of the one before.
  const annotation = JSON.stringify({
    spec: { template: { metadata: { annotations: { image: image.trim() } } } },
  });
  await kubectl('patch', 'daemonset', 'weft-cni', '-n', SYSTEM, '-p', annotation);
  await kubectl('rollout', 'status', 'daemonset/weft-cni', '-n', SYSTEM, '--timeout=120s');
}

/** Takes the plugin out of every node, as docs/cni.md says. */
export async function uninstallCni(): Promise<void> {
  await installCni('remove=true');
  await run('helm', ['uninstall', 'weft-cni', '-n', SYSTEM, '--wait'], { timeout: 120_000 });
}

/** Path of the network configuration that the runtime uses. */
export function usedConfiguration(): string {
  const [first] = readdirSync(NODE.configurations)
    .filter((name) => name.endsWith('.conflist'))
    .sort();
  if (first === undefined) throw new Error(`${NODE.configurations} has no .conflist`);
  return join(NODE.configurations, first);
}
