import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ROOT, run, useCluster } from '../support/run.js';

// The commands of docs/production.md that carry Weft to a site without the internet, as they are typed there, as far as they go
// without a registry: the cluster's nodes have this archive of the image already.

let commands: readonly string[];
let folder: string;

beforeAll(async () => {
  await useCluster();
  const page = await readFile('docs/production.md', 'utf8');
  const [, section = ''] = page.split('## Without a connection to the internet\n');
  commands = [...section.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block = '']) =>
    block.trim().split('\n'),
  );
  folder = await mkdtemp(join(tmpdir(), 'weft-air-gapped-'));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const within = (place: string, ...typed: string[]): Promise<string> =>
  run('bash', ['-euc', [`cd ${place}`, ...typed].join('\n')]);

/** Commands of the page that begin so, with the repository and a folder of ours in their places. */
function commandsOf(begin: RegExp): string[] {
  const found = commands.filter((command) => begin.test(command));
  expect([begin.source, found.length]).not.toContain(0);
  return found;
}

test('charts, values and image become files with their sums', async () => {
  const typed = commandsOf(/^(mkdir|helm package|cp|\(cd bundle) /).map((command) =>
    command.replaceAll(/\bcharts\//g, `${ROOT}/charts/`),
  );
  expect(typed).toHaveLength(4);
  await within(folder, ...typed);
  const sums = await readFile(join(folder, 'bundle/SHA256SUMS'), 'utf8');
  for (const name of ['weft.tar', 'values-production.yaml', 'weft-crds-']) expect(sums).toContain(` ${name}`);
  await within(join(folder, 'bundle'), ...commandsOf(/^sha256sum --check/));
});

test('the archive is the image that the page names', async () => {
  const index = JSON.parse(await run('tar', ['-xOf', join(folder, 'bundle/weft.tar'), 'index.json'])) as {
    readonly manifests: readonly { readonly annotations: Readonly<Record<string, string>> }[];
  };
  expect(index.manifests.map(({ annotations }) => annotations['org.opencontainers.image.ref.name'])).toEqual([
    'docker.io/weft/weft:dev',
  ]);
});

test('the API server takes what the files install, with the values for production', async () => {
  const typed = commandsOf(/^helm upgrade/).map((command) =>
    command
      .replace('--set image.repository=REGISTRY/weft --set image.tag=TAG --wait', '--set image.tag=dev')
      .concat(' --dry-run=server'),
  );
  expect(typed).toHaveLength(2);
  const rendered = await within(join(folder, 'bundle'), ...typed);
  expect(rendered).toMatch(/priorityClassName: system-cluster-critical/);
  expect(rendered).toMatch(/image: docker.io\/weft\/weft:dev/);
}, 240_000);
