import { expect, test } from '@jest/globals';
import { glob, readFile } from 'node:fs/promises';

/** Names that the code registers. */
async function registered(): Promise<string[]> {
  const names: string[] = [];
  for await (const file of glob('src/**/*.ts', { exclude: (name) => name.endsWith('.test.ts') })) {
    const text = await readFile(file, 'utf8');
    for (const [, name = ''] of text.matchAll(/\.(?:counter|gauge|histogram)\(\s*'(weft_\w+)'/g))
      names.push(name);
  }
  return names.sort();
}

test('the table of metrics in the docs names those that there are, and no other', async () => {
  const docs = await readFile('docs/metrics-control-plane.md', 'utf8');
  const rows = [...docs.matchAll(/^\| `(weft_\w+)` \|/gm)].map(([, name]) => name);
  expect(rows.toSorted()).toEqual(await registered());
});

test('the chart alerts on what the docs call worth an alert, and on metrics that there are', async () => {
  const docs = await readFile('docs/metrics-control-plane.md', 'utf8');
  const rows = [...docs.matchAll(/^\| `(weft_\w+)` \|.*\| ([^|]*?) ?\|$/gm)];
  const worth = rows.filter(([, , alert]) => alert !== '').map(([, name]) => name);
  expect(worth.length).toBeGreaterThan(10);
  const rules = await readFile('charts/weft/templates/prometheus-rule.yaml', 'utf8');
  const expressions = [...rules.matchAll(/ expr: (\|\n(?: {12}.*\n)+|.*\n)/g)]
    .map(([, text = '']) => text)
    .join();
  const used = [...expressions.matchAll(/weft_\w+/g)].map(([name]) => name.replace(/_bucket$/, ''));
  expect([...new Set(used)].sort()).toEqual([...new Set([...worth, 'weft_leader'])].sort());
});
