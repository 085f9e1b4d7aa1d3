import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { deploy, load, namespace } from '../support/app.js';
import { replicas } from '../support/replicas.js';
import { apply, kubectl, run, useCluster } from '../support/run.js';
import { installWeft } from '../support/weft.js';

// Root and issuer are backed up and restored with the commands of docs/operations.md. In between the control plane is uninstalled and
// both Secrets are deleted, so that nobody remembers them but the pods that run.

const NS = 'e2e-restore';
const SYSTEM = 'weft-system';
const FLAGS = ['-rate', '50', '-count', '100'];

let folder: string;
let commands: readonly string[];

beforeAll(async () => {
  await useCluster();
  await replicas();
  const page = await readFile('docs/operations.md', 'utf8');
  const [, section = ''] = page.split('### Backup and restore\n');
  commands = [...section.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = '']) => block);
  folder = await mkdtemp(join(tmpdir(), 'weft-restore-'));
  await apply(namespace(NS));
  await deploy({ namespace: NS, name: 'old' }, { namespace: NS, name: 'old-client' });
  await expectCalls('old-client', 'old');
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await installWeft();
  await kubectl('delete', 'namespace', NS, '--wait=false');
});

/** The commands of a block of the page, as far as they begin so. */
async function type(block: number, begin: RegExp): Promise<void> {
  const typed = (commands[block] ?? '')
    .replaceAll('\\\n', '')
    .split('\n')
    .filter((line) => begin.test(line));
  expect({ block, lines: typed.length }).not.toEqual({ block, lines: 0 });
  for (const line of typed) await run('bash', ['-euc', `set -o pipefail; cd ${folder}; ${line}`]);
}

async function roots(): Promise<string> {
  return kubectl(
    'get',
    'secret',
    'weft-root',
    'weft-issuer',
    '-n',
    SYSTEM,
    '-o',
    'jsonpath={.items[*].data}',
  );
}

async function expectCalls(caller: string, callee: string): Promise<void> {
  for (const how of [[], ['-fresh']]) {
    const report = await load(NS, `deploy/${caller}`, '-url', `http://${callee}:8080/`, ...FLAGS, ...how);
    expect([caller, callee, report.failures, report.requests]).toEqual([caller, callee, {}, 100]);
  }
}

test('pods that run and pods that come talk to each other after the root was lost and restored', async () => {
  const before = await roots();
  await type(0, /^kubectl get secret/);
  await run('helm', ['uninstall', 'weft', '-n', SYSTEM, '--wait'], { timeout: 180_000 });
  await kubectl('delete', 'secret', 'weft-root', 'weft-issuer', '-n', SYSTEM);
  await expectCalls('old-client', 'old'); // nobody needs a control plane for that
  await type(1, /^kubectl create --filename/);
  await installWeft();
  expect(await roots()).toBe(before);
  await deploy({ namespace: NS, name: 'young' }, { namespace: NS, name: 'young-client' });
  for (const caller of ['old-client', 'young-client'])
    for (const callee of ['old', 'young']) await expectCalls(caller, callee);
}, 600_000);
