import { expect, test } from '@jest/globals';
import { durationMs } from './duration.js';

test.each([
  ['0s', 0],
  ['500ms', 500],
  ['10s', 10_000],
  ['1m30s', 90_000],
  ['1h2m3s4ms', 3_723_004],
  ['99999h', 359_996_400_000],
  ['1.5s', undefined],
  ['', undefined],
  ['5', undefined],
  ['-1s', undefined],
])('%s is %s ms', (text, ms) => expect(durationMs(text)).toBe(ms));
