import { expect, test } from '@jest/globals';
import { setLatest } from './set-latest.js';

test('what was set longest ago is forgotten first, and what is set again is the latest', () => {
  const map = new Map<string, number>();
  for (const key of ['a', 'b', 'a', 'c']) setLatest(map, key, map.size, 2);
  expect([...map.keys()]).toEqual(['a', 'c']);
});
