import { expect, test } from '@jest/globals';
import { Bucket } from './bucket.js';
import { CASES, QUICK } from './cases.js';
import { Owner } from './leases.js';
import { play } from './simulation.js';

const named = (name: string): (typeof CASES)[number] => CASES.find((one) => one.name === name)!;

test('shares of pods are exact where requests are spread evenly, and far off where they are not', () => {
  expect(Math.abs(play(named('ten pods, evenly')).error)).toBeLessThan(2);
  expect(play(named('skew 90/10')).error).toBeLessThan(-70);
});

test('leases follow skewed requests, and cost messages', () => {
  const { error, messages } = play(named('skew 90/10'), QUICK);
  expect(Math.abs(error)).toBeLessThan(5);
  // Ten pods ask four times a second.
  expect(Math.round(messages)).toBe(80);
});

test('while nobody grants leases pods go by their shares', () => {
  const away = play(named('skew 90/10, the replica away for 10 s'), QUICK);
  expect(away.error).toBeLessThan(play(named('skew 90/10'), QUICK).error - 5);
  expect(away.worst).toBeLessThan(-70);
});

test('what is granted and has not ended is never more than the limit', () => {
  const owner = new Owner(100, { period: 1, latest: 1 });
  const demands = [90, 0, 40, 200, 1, 3];
  const held = new Map<number, number>();
  for (let at = 0; at < 20; at += 1) {
    const pod = (at * 7) % 5;
    held.set(pod, owner.lease(pod, 5, demands[at % demands.length]!, at / 20));
    expect([...held.values()].reduce((sum, granted) => sum + granted, 0)).toBeLessThanOrEqual(100.001);
  }
});

test('a request at a low rate does not close a high one for long', () => {
  const bucket = new Bucket();
  bucket.becomes(0, 0.1);
  expect(bucket.take(0, 0.1, 1)).toBe(true);
  expect(bucket.take(0.1, 0.1, 1)).toBe(false);
  bucket.becomes(0.1, 100);
  expect(bucket.take(0.1, 100, 100)).toBe(true);
});
