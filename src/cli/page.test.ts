import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test } from '@jest/globals';

const before = process.env['CI'];
beforeEach(() => {
  process.env['CI'] = 'true';
});
afterEach(() => {
  if (before === undefined) delete process.env['CI'];
  else process.env['CI'] = before;
});

test('what goes into a pipe has no colours, in CI neither', async () => {
  // The library for colours looks at the environment when it is loaded.
  const { pageFor } = await import('./page.js');
  const pipe = Object.assign(new PassThrough(), { hasColors: () => true });
  expect(pageFor(pipe).good('in order')).toBe('in order');
  expect(pageFor(Object.assign(pipe, { isTTY: true })).good('in order')).not.toBe('in order');
});
