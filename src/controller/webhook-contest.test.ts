import { expect, test } from '@jest/globals';
import { Contest } from './webhook-contest.js';

/** When each of ours is written, if it is overwritten again at once, for so long. */
function writesIn(contest: Contest, value: string, ms: number, from = 0): number[] {
  const times: number[] = [];
  for (let now = from; now < from + ms; now += 500) {
    if (contest.delayMs(value, now) > 0) continue;
    contest.wrote(value, now);
    times.push(now);
  }
  return times;
}

test('a few writes over ours are put right at once, more of them ever more slowly', () => {
  const contest = new Contest();
  const times = writesIn(contest, 'ours', 600_000);
  expect(times.slice(0, 9)).toEqual([0, 500, 1_000, 1_500, 2_500, 4_500, 8_500, 16_500, 32_500]);
  expect(times.slice(-2)[1]! - times.slice(-2)[0]!).toBe(30_000);
  expect(times.length).toBeLessThan(30);
  expect(contest.isOn(600_000)).toBe(true);
});

test('another value of ours is not held up by what was written over the one before', () => {
  const contest = new Contest();
  writesIn(contest, 'ours', 60_000);
  expect(contest.delayMs('renewed', 60_000)).toBe(0);
  contest.wrote('renewed', 60_000);
  expect(contest.isOn(60_000)).toBe(false);
});

test('it is over when nothing was written over ours for two minutes', () => {
  const contest = new Contest();
  const last = writesIn(contest, 'ours', 60_000).at(-1)!;
  expect(contest.isOn(last + 119_999)).toBe(true);
  expect(contest.isOn(last + 120_000)).toBe(false);
  contest.wrote('ours', last + 120_000);
  expect(contest.delayMs('ours', last + 120_000)).toBe(0);
});
