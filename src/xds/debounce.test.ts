import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { debounce } from './debounce.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function counted(signal = new AbortController().signal) {
  const runs: number[] = [];
  const begun = performance.now();
  const call = debounce(() => runs.push(performance.now() - begun), { quietMs: 20, maxMs: 200 }, signal);
  return { runs, call };
}

test('runs once after quiet', () => {
  const { runs, call } = counted();
  call();
  jest.advanceTimersByTime(10);
  call();
  jest.advanceTimersByTime(1_000);
  expect(runs).toEqual([30]);
});

test('runs at the latest after the maximum, however busy it is, and then again', () => {
  const { runs, call } = counted();
  for (let t = 0; t < 500; t += 10) {
    call();
    jest.advanceTimersByTime(10);
  }
  expect(runs).toEqual([200, 400]);
});

test('never runs once its signal has aborted', () => {
  const stop = new AbortController();
  const { runs, call } = counted(stop.signal);
  call();
  stop.abort();
  call();
  jest.advanceTimersByTime(1_000);
  expect(runs).toEqual([]);
});
