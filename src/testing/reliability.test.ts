import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';

// The page on reliability names tests. One that was renamed or removed takes its promise with it.

const page = readFileSync('docs/reliability.md', 'utf8');
const rows = page
  .split('\n')
  .filter((line) => /^\| (\d+ \|)?/.test(line) && !/^\| (#|failure) \||^\|---/.test(line));
const references = rows.flatMap((row) =>
  [...row.matchAll(/"([^"]+)", `([^`]+)`/g)].map(([, name = '', file = '']) => ({ name, file })),
);

test('thirty failures have a row each', () => {
  const numbers = [...page.matchAll(/^\| (\d+) \|/gm)].map(([, number]) => Number(number));
  expect(numbers).toEqual(Array.from({ length: 30 }, (_, index) => index + 1));
});

test.each(rows)('a row names a test, or says what is not shown yet: %s', (row) => {
  expect(row).toMatch(/"[^"]+", `[^`]+`|\*\*Not yet\*\*/);
});

test.each(references)('there is a test "$name" in $file', ({ name, file }) => {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith('.rs'))
    expect(text).toMatch(
      new RegExp(`#\\[(tokio::)?test[^\\n]*\\]\\s+(#\\[[^\\n]*\\]\\s+)*(async )?fn ${name}\\(`),
    );
  else expect(new RegExp(`['"\`]${escaped(name)}['"\`]`).test(text)).toBe(true);
});

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
