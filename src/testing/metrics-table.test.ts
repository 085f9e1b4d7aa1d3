import { expect, test } from '@jest/globals';
import { glob, readFile } from 'node:fs/promises';
import { metricRows } from './metric-tables.js';

/** Names that the code of the control plane registers. */
async function registered(): Promise<string[]> {
  const names: string[] = [];
  for await (const file of glob('src/**/*.ts', { exclude: (name) => name.endsWith('.test.ts') })) {
    const text = await readFile(file, 'utf8');
    for (const [, name = ''] of text.matchAll(/\.(?:counter|gauge|histogram)\(\s*'(weft_\w+)'/g))
      names.push(name);
  }
  return names.sort();
}

/** Names that the code of the proxy registers: the library adds `_total` to counters, and their unit to some. */
async function registeredByProxies(): Promise<string[]> {
  const names: string[] = [];
  for await (const file of glob('proxy/src/**/*.rs')) {
    if (/\btests?(\/|\.rs$)|test_util/.test(file)) continue;
    const [code = ''] = (await readFile(file, 'utf8')).split('#[cfg(test)]\nmod ');
    for (const [, name = ''] of code.matchAll(/"(weft_[a-z0-9_]+)"/g)) names.push(name);
  }
  return names.map(bare).sort();
}

function bare(name: string): string {
  return name.replace(/_total$/, '').replace(/_(seconds|bytes)$/, '');
}

test('the table of metrics in the docs names those that there are, and no other', async () => {
  expect(
    metricRows('metrics-control-plane')
      .map(({ name }) => name)
      .sort(),
  ).toEqual(await registered());
});

test('the table of metrics of the proxies names those that there are, and no other', async () => {
  const rows = metricRows('metrics-proxy').map(({ name }) => bare(name));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.sort()).toEqual(await registeredByProxies());
});
