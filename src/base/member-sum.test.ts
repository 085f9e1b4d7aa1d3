import { expect, test } from '@jest/globals';
import { joinSums, memberNumber, memberSum } from './member-sum.js';

const sumOf = (...members: string[]) => memberSum(members.map(memberNumber));

test('parts add up to the whole, in whatever order, and nothing else does', () => {
  const whole = sumOf('a', 'b', 'c');
  expect(joinSums([sumOf('c'), sumOf(), sumOf('b', 'a')])).toEqual(whole);
  for (const other of [
    sumOf('a', 'b'),
    sumOf('a', 'b', 'd'),
    sumOf('a', 'b', 'c', 'c'),
    sumOf('a', 'a', 'b'),
  ])
    expect(other).not.toEqual(whole);
  // As many, with one counted twice in the place of another.
  expect(joinSums([sumOf('a', 'b'), sumOf('b')])).toMatchObject({ count: 3 });
  expect(joinSums([sumOf('a', 'b'), sumOf('b')]).sum).not.toBe(whole.sum);
  expect(sumOf()).toEqual({ count: 0, sum: '0' });
});
