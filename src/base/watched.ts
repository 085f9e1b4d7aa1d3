/** A value that changes over time: read it now, and be told when there is a newer one. */
export interface Watched<T> {
  readonly current: T;
  /** Calls `listener` with each later value, until the signal aborts. The current one is not replayed. */
  subscribe(listener: (value: T) => void, signal?: AbortSignal): void;
}

/** A `Watched` whose owner sets it. A listener that throws is the caller's error: `set` throws it on. */
export interface Settable<T> extends Watched<T> {
  set(value: T): void;
}

/** Holds `initial` until `set` is called. */
export function watched<T>(initial: T): Settable<T> {
  let current = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get current() {
      return current;
    },
    set(value) {
      current = value;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener, signal) {
      if (signal?.aborted === true) return;
      listeners.add(listener);
      signal?.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },
  };
}
