import { z } from 'zod';
import { ok, type CheckOptions, type Found } from './found.js';

/** The oldest that Weft is tested on (docs/kubernetes-versions.md). */
const OLDEST_MINOR = 34;

const version = z.object({ major: z.string(), minor: z.string(), gitVersion: z.string() });

/** Whether the cluster answers, in a version that Weft is tested on. */
export async function checkCluster({ client }: CheckOptions): Promise<readonly Found[]> {
  const { major, minor, gitVersion } = version.parse(
    await client.request({ path: '/version', timeoutMs: 10_000 }),
  );
  const detail = `${client.server} runs Kubernetes ${gitVersion}`;
  const old = Number(major) === 1 && Number.parseInt(minor, 10) < OLDEST_MINOR;
  if (!old) return [ok(detail)];
  const fix = `upgrade to 1.${OLDEST_MINOR} or newer, the oldest version that Weft is tested on`;
  return [{ kind: 'caution', code: 'WEFT902', detail, fix }];
}
