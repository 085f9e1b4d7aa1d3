import { expect, test } from '@jest/globals';
import { addBucket, quantileMs } from './latency.js';

function buckets(...entries: [string, number][]): Map<number, number> {
  const map = new Map<number, number>();
  for (const [le, count] of entries) addBucket(map, le, count);
  return map;
}

test('a quantile is interpolated inside the bucket that holds it', () => {
  const measured = buckets(['0.01', 50], ['0.02', 100], ['+Inf', 100]);
  expect(quantileMs(measured, 0.5)).toBeCloseTo(10);
  expect(quantileMs(measured, 0.75)).toBeCloseTo(15);
});

test('the same bucket of several pods adds up, in whatever order the bounds come', () => {
  expect(quantileMs(buckets(['+Inf', 2], ['0.1', 1], ['0.1', 1]), 0.5)).toBeCloseTo(50);
});

test('beyond the last bound the bound is the answer', () => {
  expect(quantileMs(buckets(['0.1', 1], ['10', 1], ['+Inf', 100]), 0.99)).toBe(10_000);
});

test('nothing measured is nothing, not zero', () => {
  expect(quantileMs(new Map(), 0.5)).toBeUndefined();
  expect(quantileMs(buckets(['0.1', 0], ['+Inf', 0]), 0.5)).toBeUndefined();
});
