import { expect, test } from '@jest/globals';
import { formatMs, formatPercent, formatRate, formatSpan } from './format.js';

test.each([
  [0, '0'],
  [0.01, '<0.1'],
  [3.14159, '3.1'],
  [42.4, '42'],
  [12_345, '12\u202f345'],
])('a rate of %d reads %s', (rate, text) => expect(formatRate(rate)).toBe(text));

test.each([
  [undefined, '–'],
  [1, '100 %'],
  [0.999_999, '>99.99 %'],
  [0.9987, '99.87 %'],
  [0.5, '50.0 %'],
  [0.0001, '<0.1 %'],
  [0, '0 %'],
])('a share of %p reads %s: no failure is rounded away', (share, text) =>
  expect(formatPercent(share)).toBe(text),
);

test.each([
  [undefined, '–'],
  [0.42, '0.42 ms'],
  [7.25, '7.3 ms'],
  [123.4, '123 ms'],
  [1500, '1.5 s'],
])('a time of %p ms reads %s', (ms, text) => expect(formatMs(ms)).toBe(text));

const DAY_MS = 24 * 3_600_000;
test.each([
  [59_000, '0 min'],
  [7_140_000, '119 min'],
  [7_200_000, '2 h'],
  [2 * DAY_MS - 1, '47 h'],
  [2 * DAY_MS, '2 days'],
  [729 * DAY_MS, '729 days'],
  [3_651 * DAY_MS, '10 years'],
])('%d ms that are left read %s', (ms, text) => expect(formatSpan(ms)).toBe(text));
