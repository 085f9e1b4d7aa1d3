import { kubectl, run, useCluster } from './run.js';

/** Installs (or upgrades to) this checkout's charts, and waits until the control plane is ready. */
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
  await run(
    'helm',
    ['upgrade', '--install', 'weft', 'charts/weft', '-n', 'weft-system', '--wait', ...values],
    {
      timeout: 180_000,
    },
  );
}

export async function scaleControlPlane(replicas: number): Promise<void> {
  await kubectl('scale', '-n', 'weft-system', 'deployment/weft-default', `--replicas=${replicas}`);
  if (replicas > 0) {
    await kubectl('rollout', 'status', '-n', 'weft-system', 'deployment/weft-default', '--timeout=120s');
  }
}
