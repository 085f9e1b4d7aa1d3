import { expect, test } from '@jest/globals';
import { backoffMs, jittered, sleep } from './backoff.js';

const options = { baseMs: 100, capMs: 1_000 };

test('waits double until the cap, and never less than half of that', () => {
  const longest = [0, 1, 2, 3, 4, 40].map((attempt) => backoffMs(attempt, options, () => 1));
  expect(longest).toEqual([100, 200, 400, 800, 1_000, 1_000]);
  expect(backoffMs(2, options, () => 0)).toBe(200);
});

test('jitter only adds', () => {
  expect(jittered(100, 0.2, () => 0)).toBe(100);
  expect(jittered(100, 0.2, () => 1)).toBeCloseTo(120);
});

test('an aborted sleep throws at once', async () => {
  const abort = new AbortController();
  const slept = sleep(60_000, abort.signal);
  abort.abort();
  await expect(slept).rejects.toThrow(/abort/i);
});
