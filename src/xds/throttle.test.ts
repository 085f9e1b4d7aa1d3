import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { throttle } from './throttle.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function counted({ signal = new AbortController().signal, tookMs = 0 } = {}) {
  const runs: number[] = [];
  const begun = performance.now();
  const run = (): void => {
    runs.push(performance.now() - begun);
    if (tookMs > 0) jest.advanceTimersByTime(tookMs);
  };
  return { runs, call: throttle(run, { soonMs: 1, everyMs: 10 }, signal) };
}

test('runs soon after a lone call, once for the calls of a moment', () => {
  const { runs, call } = counted();
  call();
  call();
  jest.advanceTimersByTime(1_000);
  call();
  jest.advanceTimersByTime(1_000);
  expect(runs).toEqual([1, 1_001]);
});

test('calls that never pause do not put a run off, nor make more than one in the time', () => {
  const { runs, call } = counted();
  for (let t = 0; t < 50; t++) {
    call();
    jest.advanceTimersByTime(1);
  }
  expect(runs).toEqual([1, 11, 21, 31, 41]);
});

test('runs that take long leave the thread to others for most of the time', () => {
  const { runs, call } = counted({ tookMs: 100 });
  call();
  jest.advanceTimersByTime(1);
  call();
  jest.advanceTimersByTime(1_000);
  expect(runs).toEqual([1, 401]);
});

test('never runs once its signal has aborted', () => {
  const stop = new AbortController();
  const { runs, call } = counted({ signal: stop.signal });
  call();
  stop.abort();
  call();
  jest.advanceTimersByTime(1_000);
  expect(runs).toEqual([]);
});
