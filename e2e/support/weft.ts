import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CommandError, kubectl, run, useCluster, type RunOptions } from './run.js';

/** Written by e2e/image/build.sh beside the image. */
const IMAGE_HASH = join(homedir(), '.cache/weft/image/weft.tar.hash');

/** Runs the program of this checkout, which the build of the image has bundled (the setup of the tests builds it), and returns what it prints. */
export function weft(...args: string[]): Promise<string> {
  return runWeft(args);
}

export async function runWeft(args: readonly string[], options: RunOptions = {}): Promise<string> {
  await useCluster();
  return run('node_modules/.bin/node', ['dist/weft.mjs', ...args], options);
}

/** What it prints, and the code that scripts read, of a command that may find something. */
export async function weftSaid(
  args: readonly string[],
  options: RunOptions = {},
): Promise<{ readonly code: CommandError['code']; readonly text: string }> {
  try {
    return { code: 0, text: await runWeft(args, options) };
  } catch (error) {
    if (error instanceof CommandError) return { code: error.code, text: error.stdout };
    throw error;
  }
}

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

/** Waits until so many replicas are ready, or until the last is gone. */
export async function scaleControlPlane(replicas: number): Promise<void> {
  await kubectl('scale', '-n', 'weft-system', 'deployment/weft-default', `--replicas=${replicas}`);
  if (replicas > 0) {
    await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
  } else {
    const pods = ['pod', '-l', 'app.kubernetes.io/name=weft', '-n', 'weft-system'];
    await kubectl('wait', '--for=delete', ...pods, '--timeout=60s');
  }
}
