export interface ThrottleOptions {
  /** From a call to the run for it, in milliseconds, where the last run is long enough ago: calls of one moment share it. */
  readonly soonMs: number;
  /** From the start of a run to the next, in milliseconds, at least. */
  readonly everyMs: number;
}

/** A run that takes long takes at most this share of the thread, however busy it is. */
const MAX_SHARE = 0.25;

/**
 * Runs soon after a call, and not too often: a lone call is not kept waiting, and many share a run. `call` may be used at
 * any time, also from within `run`; the signal stops it for good.
 */
export function throttle(run: () => void, options: ThrottleOptions, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  let notBefore = Number.NEGATIVE_INFINITY;
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  const start = (): void => {
    timer = undefined;
    const startedAt = performance.now();
    run();
    const took = performance.now() - startedAt;
    notBefore = startedAt + Math.max(options.everyMs, took / MAX_SHARE);
  };
  return () => {
    if (signal.aborted || timer !== undefined) return;
    timer = setTimeout(start, Math.max(options.soonMs, notBefore - performance.now()));
  };
}
