import { create, toBinary } from '@bufbuild/protobuf';
import { sleep, type Clock } from '../base/index.js';
import { ReportResponseSchema } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';

/** Somebody who waits for what proxies say. */
export interface Paced {
  /** Sends a message that tells the pace. */
  tell(message: Uint8Array, pace: number): void;
}

export interface PaceOptions {
  readonly clock: Clock;
  /** Between reports while somebody looks. Default 2 s. */
  readonly watchedMs?: number;
  /** Default 10 s. */
  readonly idleMs?: number;
  /** How long somebody who looked counts as looking. Default 30 s. */
  readonly lookMs?: number;
  /** How long somebody who begins to look waits for those who were asked. Default 1.2 s. */
  readonly patienceMs?: number;
}

/** Work for the one thread: so many milliseconds between two reports of anybody, at least. */
const APART_MS = 0.4;

/** How often proxies report: seldom, and more often while somebody looks. */
export class Pace {
  readonly #options: Required<PaceOptions>;
  readonly #streams = new Set<Paced>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Those that were asked and have not said anything yet. */
  readonly #asked = new Set<Paced>();
  #answered: PromiseWithResolvers<undefined> | undefined;

  constructor(options: PaceOptions) {
    this.#options = { watchedMs: 2_000, idleMs: 10_000, lookMs: 30_000, patienceMs: 1_200, ...options };
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** The pace of now, in milliseconds. */
  get ms(): number {
    const { watchedMs, idleMs } = this.#options;
    return Math.max(this.#isWatched() ? watchedMs : idleMs, Math.ceil(this.#streams.size * APART_MS));
  }

  enter(stream: Paced): void {
    this.#streams.add(stream);
    stream.tell(message(this.ms, false), this.ms);
  }

  leave(stream: Paced): void {
    this.#streams.delete(stream);
    this.#settle(stream);
  }

  /** The stream has reported; `told` is the pace it knows. */
  reported(stream: Paced, told: number): void {
    this.#settle(stream);
    // A few streams more or less are no news.
    const { ms } = this;
    if (Math.abs(ms - told) > told / 4) stream.tell(message(ms, false), ms);
  }

  /** Somebody looks. Resolves when what is known is fresh: at once, unless nobody has looked lately. */
  async look(): Promise<void> {
    const { clock, patienceMs } = this.#options;
    const wasWatched = this.#isWatched();
    this.#lookedAt = clock.monotonic();
    if (!wasWatched) this.#ask();
    if (this.#answered === undefined) return;
    const answered = this.#answered;
    const enough = new AbortController();
    await Promise.race([answered.promise, sleep(patienceMs, enough.signal).catch(() => undefined)]);
    enough.abort();
    if (this.#answered === answered) this.#giveUp();
  }

  /** Who has not answered by now is waited for by nobody else: one mute proxy would make everybody who looks wait. */
  #giveUp(): void {
    this.#asked.clear();
    this.#settleAll();
  }

  #ask(): void {
    this.#answered ??= Promise.withResolvers<undefined>();
    const { ms } = this;
    const now = message(ms, true);
    for (const stream of this.#streams) this.#asked.add(stream);
    for (const stream of this.#streams) stream.tell(now, ms);
    this.#settleAll();
  }

  #settle(stream: Paced): void {
    this.#asked.delete(stream);
    this.#settleAll();
  }

  #settleAll(): void {
    if (this.#asked.size > 0) return;
    this.#answered?.resolve(undefined);
    this.#answered = undefined;
  }

  #isWatched(): boolean {
    return this.#options.clock.monotonic() - this.#lookedAt < this.#options.lookMs;
  }
}

function message(paceMs: number, now: boolean): Uint8Array {
  return toBinary(ReportResponseSchema, create(ReportResponseSchema, { paceMs, now }));
}
