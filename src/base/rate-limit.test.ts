import { expect, test } from '@jest/globals';
import { RateLimit } from './rate-limit.js';

test('a bucket lets a burst through, refills with time, and knows keys apart', () => {
  const limit = new RateLimit({ burst: 3, everyMs: 100 });
  const take = (key: string, now: number) => limit.take(key, now);
  expect([0, 0, 0, 0].map((now) => take('a', now))).toEqual([true, true, true, false]);
  expect(take('b', 0)).toBe(true);
  expect([99, 100, 101].map((now) => take('a', now))).toEqual([false, true, false]);
  expect([10_000, 10_000, 10_000, 10_000].map((now) => take('a', now))).toEqual([true, true, true, false]);
});

test('buckets are forgotten when they are full again, and never grow past the limit', () => {
  const limit = new RateLimit({ burst: 1, everyMs: 1_000, maxKeys: 10 });
  for (let i = 0; i < 1_000; i++) limit.take(`k${i}`, 0);
  // The newest is still known, the oldest was given up.
  expect(limit.take('k999', 0)).toBe(false);
  expect(limit.take('k0', 0)).toBe(true);
});

test('a dear request takes many tokens at once, or none', () => {
  const limit = new RateLimit({ burst: 10, everyMs: 10 });
  expect([limit.take('a', 0, 8), limit.take('a', 0, 8), limit.take('a', 0, 2)]).toEqual([true, false, true]);
  expect([limit.take('a', 50, 8), limit.take('a', 80, 8)]).toEqual([false, true]);
});
