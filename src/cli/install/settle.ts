import { MeshError, sleep } from '../../base/index.js';
import { check } from '../check/index.js';
import type { CheckOptions } from '../check/found.js';
import { ownControlPlane, underWay } from '../check/control-plane.js';
import { deploymentName } from './release.js';

export interface SettleOptions extends CheckOptions {
  readonly timeoutMs: number;
  /** A line of how far it is. */
  readonly progress: (line: string) => void;
  /** How often it is looked. Default two seconds. */
  readonly everyMs?: number;
}

/** Waits until every replica runs what was installed, and everything is in order; gives what `weft check` says. */
export async function settle(
  options: SettleOptions,
): Promise<{ readonly ok: boolean; readonly text: string }> {
  const end = performance.now() + options.timeoutMs;
  await untilReady(options, end);
  // The leader makes root, issuer and bundles within moments of its start.
  for (;;) {
    const report = await check(options);
    if (report.ok || performance.now() >= end) return report;
    await sleep(options.everyMs ?? 2_000);
  }
}

async function untilReady(options: SettleOptions, end: number): Promise<void> {
  let told = '';
  for (;;) {
    const found = await ownControlPlane(options);
    const line = `${deploymentName(options)}: ${standing(found)}`;
    if (line !== told) options.progress(line);
    told = line;
    if (isReady(found)) return;
    if (performance.now() >= end)
      throw new MeshError(
        'timeout',
        `${line} after ${Math.round(options.timeoutMs / 60_000)} minutes; it goes on by itself: weft check says why it is not ready`,
      );
    await sleep(options.everyMs ?? 2_000);
  }
}

type Own = Awaited<ReturnType<typeof ownControlPlane>>;

function standing(own: Own): string {
  if (own === undefined) return 'does not exist yet';
  const { spec, status } = own;
  return `${status.updatedReplicas} of ${spec.replicas} replicas new, ${status.readyReplicas} ready`;
}

function isReady(own: Own): boolean {
  return own !== undefined && underWay(own) === undefined && own.status.readyReplicas >= own.spec.replicas;
}
