import { COUNTS, LATENCIES, LATENCY_FROM } from './measures.js';
import { Ring, type Division } from './ring.js';

/** A workload that speaks for itself. */
export interface Reporter {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** SPIFFE identity. */
  readonly identity: string;
}

export type EdgeTls = 'mutual' | 'backend' | 'none' | '';

/** What counts belong to. All but the reporter is what its proxies say. */
export interface EdgeName {
  readonly reporter: Reporter;
  readonly direction: 'outbound' | 'inbound';
  /** `<namespace>/<name>` of the Service: outbound of the one that was dialled, inbound of one in front of the port. */
  readonly service: string;
  readonly port: string;
  /** The backend a route chose, where that is of a Service: `<namespace>/<name>:<port>` and the labels of its pods, if they matter. */
  readonly backend: string;
  readonly route: string;
  /** SPIFFE identity of the other side. */
  readonly peer: string;
  readonly tls: EdgeTls;
  /** Object whose rule decided. */
  readonly rule: string;
}

/** The last minute finely, for what is seen at once. */
const FINE: Division = { slotMs: 2_000, slots: 32 };
/** The last half hour. */
const COARSE: Division = { slotMs: 60_000, slots: 32 };
/** Windows up to this are read finely. */
export const FINE_MS = 60_000;
export const KEPT_MS = 1_800_000;
/** An edge without its rings: its texts, and its places in maps. */
const EMPTY_BYTES = 1_000;

/** How long ago the last whole minute ended. */
export function sinceMinute(now: number): number {
  return now % COARSE.slotMs;
}

/** When a window really begins: with the slot in which it would. */
export function windowStart(now: number, windowMs: number): number {
  const { slotMs } = windowMs <= FINE_MS ? FINE : COARSE;
  return Math.floor((now - windowMs) / slotMs) * slotMs;
}

/** Counts or latencies of an edge; the fine ones only while there is something to see. */
class Sums {
  readonly width: number;
  readonly #coarse: Ring;
  #fine: Ring | undefined;

  constructor(width: number) {
    this.width = width;
    this.#coarse = new Ring(COARSE, width);
  }

  get bytes(): number {
    return Ring.bytes(COARSE, this.width) + (this.#fine === undefined ? 0 : Ring.bytes(FINE, this.width));
  }

  add(now: number, covers: number, what: readonly [place: number, amount: number]): void {
    this.#coarse.add(now, covers, what);
    this.#fine ??= new Ring(FINE, this.width);
    this.#fine.add(now, covers, what);
  }

  since(now: number, windowMs: number): number[] {
    const into = new Array<number>(this.width).fill(0);
    (windowMs <= FINE_MS ? this.#fine : this.#coarse)?.sumSince(now, windowStart(now, windowMs), into);
    return into;
  }

  /** Of each of the last slots of half an hour, by place. */
  columns(now: number, slots: number): number[][] {
    return this.#coarse.columns(now, slots);
  }

  forgetFine(): void {
    this.#fine = undefined;
  }
}

/** What is known of an edge. */
export class Edge {
  readonly name: EdgeName;
  /** Connections of bytes that are open, over all proxies. */
  open = 0;
  /** When something happened last. */
  at: number;
  #evicted = false;
  #counts: Sums | undefined;
  #latencies: Sums | undefined;

  constructor(name: EdgeName, now: number) {
    this.name = name;
    this.at = now;
  }

  /** It was forgotten: whoever still has it takes another. */
  get evicted(): boolean {
    return this.#evicted;
  }

  get bytes(): number {
    return EMPTY_BYTES + (this.#counts?.bytes ?? 0) + (this.#latencies?.bytes ?? 0);
  }

  /** Adds so many of a measure of the wire; false where there is no such measure. */
  add(now: number, covers: number, [measure, amount]: readonly [measure: number, amount: number]): boolean {
    if (measure < COUNTS) {
      this.#counts ??= new Sums(COUNTS);
      this.#counts.add(now, covers, [measure, amount]);
    } else if (measure >= LATENCY_FROM && measure < LATENCY_FROM + LATENCIES) {
      this.#latencies ??= new Sums(LATENCIES);
      this.#latencies.add(now, covers, [measure - LATENCY_FROM, amount]);
    } else return false;
    this.at = now;
    return true;
  }

  counts(now: number, windowMs: number): readonly number[] | undefined {
    return this.#counts?.since(now, windowMs);
  }

  latencies(now: number, windowMs: number): readonly number[] | undefined {
    return this.#latencies?.since(now, windowMs);
  }

  /** Counts of each of the last minutes, by place; empty where nothing was counted. */
  minutes(now: number, minutes: number): readonly (readonly number[])[] {
    return this.#counts?.columns(now, minutes) ?? [];
  }

  evict(): void {
    this.#evicted = true;
    [this.#counts, this.#latencies] = [undefined, undefined];
  }

  /** Nothing has happened for a while. */
  forgetFine(): void {
    this.#counts?.forgetFine();
    this.#latencies?.forgetFine();
  }
}
