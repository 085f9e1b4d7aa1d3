import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createPage } from '../../page.js';
import { convertFiles } from './index.js';

const page = readFileSync('docs/migrating-access.md', 'utf8');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weft-convert-'));
});

afterAll(() => rm(folder, { recursive: true }));

/** Of each section with an example: what is converted, to what, and what is said about it. */
const examples = page
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const [title = ''] = section.split('\n');
    const [given, made] = [...section.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text = '']) => text);
    const [, said = ''] = /^```text\n(.*?)^```$/ms.exec(section) ?? [];
    return given === undefined || made === undefined ? [] : [[title, { given, made, said }] as const];
  });

async function converting(given: string, output: 'yaml' | 'json'): ReturnType<typeof convertFiles> {
  const file = join(folder, 'given.yaml');
  await writeFile(file, given);
  return convertFiles([file], { page: createPage({ colours: false }), output });
}

test.each(examples)('%s is converted as the page says', async (_title, { given, made, said }) => {
  const { ok, manifests, report } = await converting(given, 'yaml');
  expect(manifests).toBe(made);
  expect(`${report}\n`).toBe(said);
  expect(ok).toBe(true);
});

test('the page has an example of each', () => expect(examples).toHaveLength(3));

test('as JSON it is one List', async () => {
  const [, { given }] = examples[0]!;
  const { manifests } = await converting(given, 'json');
  const kinds = ['MeshRole', 'MeshRoleBinding', 'MeshRole', 'MeshRoleBinding'].map((kind) => ({ kind }));
  expect(JSON.parse(manifests)).toMatchObject({ apiVersion: 'v1', kind: 'List', items: kinds });
});
