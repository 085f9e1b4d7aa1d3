import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { kubectl, run, useCluster } from './run.js';

/** Written by e2e/image/build.sh beside the image. */
const IMAGE_HASH = join(homedir(), '.cache/weft/image/weft.tar.hash');

/** Installs (or upgrades to) this checkout's charts with the values that they ship, and waits until the control plane is ready. */
export async function installWeft(...set: string[]): Promise<void> {
  await useCluster();
  await run('helm', [
    'upgrade',
    '--install',
    'weft-crds',
    'charts/weft-crds',
    '-n',
    'weft-system',
    '--create-namespace',
  ]);
  const values = ['image.repository=docker.io/weft/weft', 'image.tag=dev', ...set].flatMap((v) => [
    '--set',
    v,
  ]);
  // A rebuilt image has the tag of the one before: this makes it a new pod template, and so a rollout.
  const image = await readFile(IMAGE_HASH, 'utf8').catch(() => '');
  if (image !== '') values.push('--set-string', `podAnnotations.image=${image.trim()}`);
  await run(
    'helm',
    ['upgrade', '--install', 'weft', 'charts/weft', '-n', 'weft-system', '--wait', ...values],
    {
      timeout: 180_000,
    },
  );
}

/** As many replicas as the chart has by default. */
export const REPLICAS = 2;

export async function scaleControlPlane(replicas: number): Promise<void> {
  await kubectl('scale', '-n', 'weft-system', 'deployment/weft-default', `--replicas=${replicas}`);
  if (replicas > 0) {
    await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
  }
}
