import { expect } from '@jest/globals';
import { load } from './app.js';

/** Who sends requests, and how: flags of `testapp load`. */
export interface Caller {
  readonly namespace: string;
  readonly target: string;
  readonly flags: readonly string[];
}

/** One caller over connections that it keeps, over new ones and as h2: 200 requests a second in all. */
export function threeWays(namespace: string, target: string, url: string): readonly Caller[] {
  return [
    { namespace, target, flags: ['-url', url, '-rate', '90'] },
    { namespace, target, flags: ['-url', url, '-rate', '20', '-fresh'] },
    { namespace, target, flags: ['-url', url, '-rate', '90', '-h2'] },
  ];
}

/** Requests of all callers for as long as `body` takes, and three seconds at least; none may fail. Gives how many were sent. */
export async function underTraffic(
  callers: readonly Caller[],
  body: () => Promise<unknown>,
): Promise<number> {
  let ended = false;
  let sent = 0;
  const calls = callers.map(async ({ namespace, target, flags }) => {
    do {
      const report = await load(namespace, target, '-duration', '3s', ...flags);
      expect([target, flags, report.failures]).toEqual([target, flags, {}]);
      expect(report.requests).toBeGreaterThan(0);
      sent += report.requests;
    } while (!ended);
  });
  const work = body().finally(() => (ended = true));
  await Promise.all([work, ...calls]);
  return sent;
}
