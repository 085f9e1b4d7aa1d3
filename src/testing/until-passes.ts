import { setTimeout as delay } from 'node:timers/promises';

/** Repeats expectations until they hold; after the deadline the last failure is the test's. */
export async function untilPasses(check: () => void | Promise<void>, timeoutMs = 15_000): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      await check();
      return;
    } catch (thrown) {
      if (performance.now() > deadline) throw thrown;
      await delay(5);
    }
  }
}
