import { untilAborted, type Watched } from '../base/index.js';
import type { KubeObject } from './objects.js';
import { WorkQueue, type QueueOptions } from './queue.js';
import { type Change, type ReadonlyStore } from './store.js';

/** Tells which keys have become due, from the call on; the answer ends that. */
export type Source = (due: (keys: Iterable<string>) => void) => () => void;

/** A loop that keeps one thing in the cluster true, declared rather than wired. */
export interface Reconciler extends Omit<QueueOptions, 'concurrency' | 'backoff'> {
  /** What makes keys due. */
  readonly sources: readonly Source[];
  /** Keys that are due when the loop starts: whatever exists by then, because its changes were told to others. */
  readonly initial: () => Iterable<string>;
  /**
   * How long a key waits after it became due, so that a crowd of changes costs one run, in milliseconds. Default 0.
   */
  readonly gatherMs?: number;
}

/** Runs a reconciler until the signal aborts, then waits for what is under way. */
export async function reconcile(reconciler: Reconciler, signal: AbortSignal): Promise<void> {
  const { sources, initial, gatherMs = 0, ...options } = reconciler;
  const queue = new WorkQueue(options);
  const due = (keys: Iterable<string>): void => {
    for (const key of keys) {
      if (gatherMs > 0) queue.addAfter(key, gatherMs);
      else queue.add(key);
    }
  };
  const stops = sources.map((source) => source(due));
  due(initial());
  await untilAborted(signal);
  for (const stop of stops) stop();
  await queue.stop();
}

/** Each change of a store makes the keys due that `keysOf` names. */
export function storeSource<T extends KubeObject>(
  store: ReadonlyStore<T>,
  keysOf: (change: Change<T>) => Iterable<string>,
): Source {
  return (due) => store.onChange((change) => due(keysOf(change)));
}

/** Each new value makes the keys due that `keysOf` names. */
export function watchedSource<T>(value: Watched<T>, keysOf: (value: T) => Iterable<string>): Source {
  return (due) => {
    const stop = new AbortController();
    value.subscribe((next) => due(keysOf(next)), stop.signal);
    return () => stop.abort();
  };
}
