import { expect, test } from '@jest/globals';
import { judged, lostOf, watched } from './report.js';
import { allowed, judge, slopeOf, type Sample } from './slope.js';

const HOUR = 3_600_000;
/** Five seconds apart for two hours; the noise repeats, and is wide. */
const series = (perHour: number, samples = 1440): readonly Sample[] =>
  Array.from({ length: samples }, (_, index) => {
    const at = index * 5000;
    return { at, value: 100 + (perHour * at) / HOUR + 5 * Math.sin(index * 1.7) };
  });

test('what does not grow has no slope, within its error', () => {
  const slope = slopeOf(series(0));
  expect(Math.abs(slope?.perHour ?? NaN)).toBeLessThan(2 * (slope?.error ?? NaN) + 0.01);
  expect(judge(slope, 1)).toBe('flat');
});

test('a leak is found beside noise that is wider than it', () => {
  const slope = slopeOf(series(4));
  expect(slope?.perHour).toBeCloseTo(4, 0);
  expect(judge(slope, 1)).toBe('grows');
});

test('a few noisy minutes leave it open', () => {
  expect(judge(slopeOf(series(1.2, 60)), 1)).toBe('open');
});

test('a bound is for an hour, and for all where it was watched for less', () => {
  expect(allowed(10, series(0))).toBe(10);
  expect(allowed(10, series(0, 121))).toBe(60);
});

test('too few samples say nothing', () => {
  expect(slopeOf(series(1, 3))).toBeUndefined();
  expect(judge(slopeOf(series(0, 3)), 1)).toBe('unseen');
});

test('what is no number is not slow', () => {
  const broken = series(0).map(({ at, value }, index) => ({ at, value: index === 7 ? Number.NaN : value }));
  expect(judge(slopeOf(broken), 1)).toBe('unseen');
});

test('only what is flat is met; what is open is told apart', () => {
  const all = [series(0), series(1.2, 60), series(4), series(0, 3)].map((samples) =>
    watched({ subject: 'it', measure: 'memory', bound: 1 }, samples),
  );
  expect(all.map(({ verdict }) => verdict)).toEqual(['flat', 'open', 'grows', 'unseen']);
  const lost = lostOf({ GET: { sent: 10, lost: 1, ways: {}, lastBad: 0 } });
  expect(judged(all, lost, 0)).toEqual({ of: 6, met: 2, open: 1 });
  expect(judged(all, lost, 1)).toEqual({ of: 6, met: 1, open: 1 });
});
