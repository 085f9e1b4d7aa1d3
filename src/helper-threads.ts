import { readFileSync, readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { MeshError, type Logger } from './base/index.js';

const THREADS = '/proc/self/task';
/** As V8's threads that collect garbage and compile call themselves. */
const HELPER = /^V8Worker/;
/** A tenth of the weight of a thread that serves. */
export const HELPER_NICE = 10;

/**
 * Lets V8's helper threads give way to those that serve: on one core they take most of it while a collection marks old objects,
 * for half a second with 5,000 proxies, and whatever changes then is late. They still have what the others leave.
 * On systems without `/proc` nothing happens.
 */
export function helpersGiveWay(log: Logger): void {
  try {
    for (const thread of helperThreads()) {
      if (getPriority(thread) < HELPER_NICE) setPriority(thread, HELPER_NICE);
    }
  } catch (thrown) {
    log.debug({ err: MeshError.from(thrown) }, 'V8 keeps the priority of its helper threads');
  }
}

/** Threads of this process, by the identifier that the system gives them. */
export function helperThreads(): readonly number[] {
  return readdirSync(THREADS)
    .filter((thread) => HELPER.test(readFileSync(`${THREADS}/${thread}/comm`, 'utf8')))
    .map(Number);
}
