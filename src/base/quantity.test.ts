import { expect, test } from '@jest/globals';
import { compareQuantities, isQuantity } from './quantity.js';

test.each(['0', '1', '100m', '1.5', '.5', '32Mi', '1.5Gi', '500u', '1Ti', '1e3', '2E6', '4k', '1Ei', '3E'])(
  '%s is a quantity',
  (text) => {
    expect(isQuantity(text)).toBe(true);
  },
);

test.each(['', 'lots', '-1', '1 Gi', '10mb', '1KiB', '1.2.3', 'm', '1e'])('%j is none', (text) => {
  expect(isQuantity(text)).toBe(false);
});

test.each([
  ['1', '1000m', 0],
  ['1Gi', '1024Mi', 0],
  ['1e3', '1k', 0],
  ['1Mi', '1M', 1],
  ['999m', '1', -1],
  ['2E', '1Ei', 1],
])('%s against %s is %i', (a, b, sign) => {
  expect(Math.sign(compareQuantities(a, b))).toBe(sign);
});
