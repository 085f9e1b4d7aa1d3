import { expect, test } from '@jest/globals';
import { LogSampler, cut } from './log-sampler.js';

test('a few lines of each kind are written, and the next says how many were left out', () => {
  const sampler = new LogSampler();
  const written = Array.from({ length: 100 }, () => sampler.take('no-token 10.0.0.66', 0));
  expect(written.filter((sample) => sample !== undefined)).toHaveLength(5);
  expect(sampler.take('no-token 10.0.0.1', 0)).toEqual({ omitted: 95 });
  expect(sampler.take('no-token 10.0.0.66', 60_000)).toEqual({ omitted: 0 });
});

test('keys that a stranger invents do not add up either', () => {
  const sampler = new LogSampler();
  const written = Array.from({ length: 10_000 }, (_, i) => sampler.take(`key ${i}`, 0));
  expect(written.filter((sample) => sample !== undefined)).toHaveLength(50);
});

test('text from outside is cut', () => {
  expect(cut('short')).toBe('short');
  expect(cut('x'.repeat(1_000))).toBe(`${'x'.repeat(256)}...`);
});
