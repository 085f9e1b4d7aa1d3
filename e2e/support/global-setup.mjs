import { execFileSync } from 'node:child_process';

/** The tests share one cluster with Weft installed from this checkout's charts; each step is a no-op when done. */
export default function setup() {
  execFileSync('e2e/suite/prepare.sh', { stdio: 'inherit' });
  execFileSync('e2e/suite/ts.sh', ['e2e/suite/install-weft.ts'], { stdio: 'inherit' });
}
