import { getPriority } from 'node:os';
import { expect, test } from '@jest/globals';
import { createLogger } from './base/index.js';
import { HELPER_NICE, helperThreads, helpersGiveWay } from './helper-threads.js';

test("V8's helper threads have less priority than before, and the thread that serves has not", () => {
  const serving = getPriority();
  helpersGiveWay(createLogger({ level: 'silent' }));
  const helpers = helperThreads();
  expect(helpers.length).toBeGreaterThan(0);
  for (const thread of helpers) expect(getPriority(thread)).toBeGreaterThanOrEqual(HELPER_NICE);
  expect(getPriority()).toBe(serving);
});
