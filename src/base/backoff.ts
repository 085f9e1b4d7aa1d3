import { setTimeout as delay } from 'node:timers/promises';

export interface BackoffOptions {
  /** Longest wait before the second try, in milliseconds. */
  readonly baseMs: number;
  /** Longest wait ever, in milliseconds. */
  readonly capMs: number;
}

/**
 * How long to wait before try `attempt` (0 is the first repetition): doubles up to the cap, and half of it is random,
 * so that many who failed together do not come back together.
 */
export function backoffMs(
  attempt: number,
  options: BackoffOptions,
  random: () => number = Math.random,
): number {
  const full = Math.min(options.capMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return full / 2 + (full / 2) * random();
}

/** Waits; ends early, by throwing the signal's reason, when the signal aborts. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

/** Waits. False when the signal aborted before the time had passed: for loops that then end. */
export async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  await sleep(ms, signal).catch(() => undefined);
  return !signal.aborted;
}

/** Settles when the signal aborts. */
export async function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Up to `fraction` more than `value`, at random. */
export function jittered(value: number, fraction: number, random: () => number = Math.random): number {
  return value * (1 + fraction * random());
}
