import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { names } from '../base/index.js';

const pages = readdirSync('docs').filter((name) => name.endsWith('.md') && name !== 'README.md');
const index = readFileSync('docs/README.md', 'utf8');
const injection = readFileSync('docs/injection.md', 'utf8');

test.each(pages)('%s is in the index', (page) => {
  expect(index).toContain(`](${page})`);
});

test.each([...Object.values(names.Annotation), ...Object.values(names.Label)])(
  'the page on injection explains %s',
  (name) => {
    expect(injection).toContain(`\`${name}`);
  },
);

test('the page on injection names nothing of ours that does not exist', () => {
  const known: readonly string[] = [...Object.values(names.Annotation), ...Object.values(names.Label)];
  const named = [...injection.matchAll(/`(weft\.dev\/[a-z-]+)/g)].map(([, name]) => name ?? '');
  expect(named.filter((name) => !known.includes(name))).toEqual([]);
});

test.each(['README.md', 'docs/README.md', ...pages.map((page) => `docs/${page}`)])(
  'every file that %s links to exists',
  (page) => {
    const links = [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(
      ([, path]) => path ?? '',
    );
    expect(links.filter((path) => !existsSync(join(dirname(page), path)))).toEqual([]);
  },
);
