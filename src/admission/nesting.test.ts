import { expect, test } from '@jest/globals';
import { isNestedDeeper } from './nesting.js';

test.each<[string, number, boolean]>([
  ['{}', 1, false],
  ['{"a":[1,{"b":[]}]}', 4, false],
  ['{"a":[1,{"b":[]}]}', 3, true],
  ['[[],[],[[]],[]]', 3, false],
  ['{"a":"[[[["}', 1, false],
  [String.raw`{"a":"\"[[[[\\","b":[]}`, 2, false],
  [String.raw`{"a":"\\","b":[[[]]]}`, 3, true],
  ['"no end [[[', 0, false],
  ['', 0, false],
])('%s is nested deeper than %i: %s', (json, limit, deeper) => {
  expect(isNestedDeeper(Buffer.from(json), limit)).toBe(deeper);
});

test('a million brackets are told by the first few', () => {
  expect(isNestedDeeper(Buffer.from('['.repeat(1_000_000)), 100)).toBe(true);
});
