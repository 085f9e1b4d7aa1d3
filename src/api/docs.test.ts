import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseAllDocuments } from 'yaml';
import { analyze } from './analyze.js';

const examples = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .flatMap((name) =>
    [...readFileSync(`docs/${name}`, 'utf8').matchAll(/^```yaml\n(.*?)^```/gms)].map(([, text = '']) => ({
      name,
      text,
    })),
  );

test.each(examples)('an example of $name is a policy that works', ({ text }) => {
  const documents = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  expect(analyze(documents)).toEqual([]);
});

test('there are examples', () => {
  expect(examples.length).toBeGreaterThan(0);
});
