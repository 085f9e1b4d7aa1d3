import { execFileSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** The tests share one cluster with Weft installed from this checkout's charts; each step is a no-op when done. */
export default function setup() {
  const run = (command, ...args) => execFileSync(command, args, { stdio: 'inherit' });
  run('e2e/suite/prepare.sh');
  run('e2e/apps/nginx.sh');
  run('e2e/apps/ratelimit.sh');
  run('e2e/apps/otelcol.sh');
  run('e2e/apps/opa.sh');
  for (const image of ['nginx', 'ratelimit', 'redis', 'otelcol', 'opa']) {
    run('e2e/cluster/load-image.sh', join(homedir(), `.cache/weft/image/${image}.tar`));
  }
  run('e2e/suite/ts.sh', 'e2e/suite/install-weft.ts');
}
