import type { Logger } from './log.js';
import { MeshError } from './error.js';

type Step = { readonly name: string; readonly run: () => Promise<void> | void };

/**
 * Shutdown as a value passed down: parts add what must happen when the process ends, and the last added goes first,
 * because it stands on the earlier ones. `signal` aborts when it begins.
 */
export class Shutdown {
  readonly #steps: Step[] = [];
  readonly #abort = new AbortController();
  readonly #log: Logger;
  readonly #graceMs: number;
  #done: Promise<boolean> | undefined;

  /** `graceMs`: all steps together get this long; whatever is left then is abandoned. Default 10 s. */
  constructor(options: { log: Logger; graceMs?: number }) {
    this.#log = options.log;
    this.#graceMs = options.graceMs ?? 10_000;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  add(name: string, run: Step['run']): void {
    this.#steps.push({ name, run });
  }

  /** Runs the steps once; later calls wait for the same run. True when all of them ended in time. */
  async begin(reason: string): Promise<boolean> {
    this.#done ??= this.#run(reason);
    return this.#done;
  }

  async #run(reason: string): Promise<boolean> {
    this.#log.info({ reason }, 'shutting down');
    this.#abort.abort(new MeshError('aborted', `shutting down: ${reason}`));
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), this.#graceMs);
    });
    const clean = await Promise.race([this.#runSteps(), deadline]);
    clearTimeout(timer);
    if (!clean) this.#log.warn({ graceMs: this.#graceMs }, 'not everything ended in time');
    return clean;
  }

  async #runSteps(): Promise<true> {
    for (const step of [...this.#steps].reverse()) {
      try {
        await step.run();
      } catch (thrown) {
        this.#log.error({ err: MeshError.from(thrown), step: step.name }, 'a shutdown step failed');
      }
    }
    return true;
  }
}
