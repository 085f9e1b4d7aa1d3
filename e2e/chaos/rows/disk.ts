import { mkdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { run, until } from '../../netns/process.js';
import { type ControlPlaneGround, SERVICE, ask } from '../control-plane.js';
import type { Row } from '../row.js';
import { badAfter, begin } from '../traffic.js';

const POD = 'full';
const RECOVERY_SECONDS = 10;

/** A proxy that cannot keep anything, and is started again. */
export const DISK: Row<ControlPlaneGround> = {
  name: 'disk-full',
  title: 'the volume that a proxy keeps its state on is full, and the proxy dies',
  promise: `nothing lost; it follows policies, and serves within ${RECOVERY_SECONDS} s of its end`,
  play: async (on) => {
    const volume = join(on.world.directory, POD);
    await mkdir(volume);
    await run('mount', '-t', 'tmpfs', '-o', 'size=512k,mode=755', 'tmpfs', volume);
    const { restarts } = on.world.plane;
    const running = begin(on.client, { to: SERVICE, seconds: 300 }, on.world);
    try {
      const { app } = on.world.programs;
      const [pod] = await on.world.start({ name: POD, app: 'web' });
      const began = Date.now();
      // It fails when the volume is full.
      await run('dd', 'if=/dev/zero', `of=${join(volume, 'state', 'filler')}`, 'bs=4k').catch(() => '');
      const { bavail } = await statfs(volume);
      const policy = await on.policy();
      const died = Date.now();
      await pod.restartProxy();
      await until('it serves', async () => {
        const { status, headers } = await ask(pod, app);
        if (status !== 200 || headers['x-mark'] !== on.mark) throw new Error(`status ${status}`);
      });
      const recovery = (Date.now() - died) / 1000;
      await pod.remove();
      pod.noticed();
      const traffic = await running.stop();
      const lost = Object.values(traffic).reduce((sum, count) => sum + count.lost, 0);
      const wrong = [
        ...(bavail === 0 ? [] : [`there was no fault: ${bavail} blocks were free`]),
        ...(lost === 0 ? [] : [`${lost} lost`]),
        ...on.crashed(restarts),
        ...(recovery <= RECOVERY_SECONDS ? [] : [`it served only after ${recovery.toFixed(1)} s`]),
      ];
      const seen = `${bavail} blocks free; a policy acted after ${policy.toFixed(1)} s`;
      return { traffic, hurt: badAfter(traffic, began), recovery, seen, wrong };
    } finally {
      await running.stop();
      await run('umount', '--lazy', volume);
    }
  },
};
