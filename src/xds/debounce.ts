export interface DebounceOptions {
  /** Runs after so long without another call, in milliseconds. */
  readonly quietMs: number;
  /** Runs at the latest so long after the first call, in milliseconds, however busy it is. */
  readonly maxMs: number;
}

/** Gathers calls into one run. `call` may be used at any time, also from within `run`; the signal stops it for good. */
export function debounce(run: () => void, options: DebounceOptions, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  let firstAt: number | undefined;
  signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return () => {
    if (signal.aborted) return;
    const now = performance.now();
    firstAt ??= now;
    clearTimeout(timer);
    const wait = Math.max(0, Math.min(options.quietMs, firstAt + options.maxMs - now));
    timer = setTimeout(() => {
      firstAt = undefined;
      run();
    }, wait);
  };
}
