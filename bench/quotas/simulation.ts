import { Bucket } from './bucket.js';
import { Holder, Owner, type Terms } from './leases.js';

/** What comes, and who takes it. */
export interface Case {
  readonly name: string;
  /** Ready pods. */
  readonly pods: (at: number) => number;
  /** The one of so many pods that gets a request; `random` is in [0, 1). */
  readonly pick: (pods: number, random: number, at: number) => number;
  /** Keys, each of which has the whole limit; by default one. */
  readonly keys?: number;
  /** The replica that counts is away, and no other has taken its place yet. */
  readonly away?: (at: number) => boolean;
}

/** Of the limit over the whole time, in percent; more than an exact count lets in is positive. */
export interface Outcome {
  readonly error: number;
  /** The same over the worst five seconds. */
  readonly worst: number;
  /** Questions and answers a second, each about all keys of the limit at a pod. */
  readonly messages: number;
}

export const SECONDS = 60;
/** Requests a second that are let in, and at once. */
export const LIMIT = 100;
/** What is asked for, beside the limit. */
const LOAD = 1.5;
/** How long proxies take to hear of a pod. */
const DISCOVERY = 1;
const WINDOW = 5;

/** Requests by chance come and go as they do from many users; the same every time. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Pod {
  readonly bucket: Bucket;
  readonly holder: Holder;
}

/** One key, which is counted by itself. */
class Counted {
  readonly exact = new Bucket();
  readonly owner: Owner;
  readonly pods = new Map<number, Pod>();

  readonly #terms: Terms;

  constructor(terms: Terms) {
    this.owner = new Owner(LIMIT, terms);
    this.#terms = terms;
  }

  /** A pod that is ready since `at` at the latest. They do not all ask at the same time. */
  pod(number: number, at: number): Pod {
    const known = this.pods.get(number) ?? { bucket: new Bucket(), holder: new Holder(at, this.#terms) };
    this.pods.set(number, known);
    return known;
  }

  /** Has the pods ask that are to; gives how many have. */
  renew(ready: number, at: number, away: boolean): number {
    for (const gone of this.pods.keys()) if (gone >= ready) this.pods.delete(gone);
    let asked = 0;
    for (let number = 0; number < ready; number += 1) {
      const { holder } = this.pod(number, at + (number / ready) * 0.01);
      for (; holder.due <= at; asked += 1) holder.renew(away ? undefined : this.owner, number, ready);
    }
    return asked;
  }
}

/** Plays a case: pods have leases on these terms, or without any their share. */
export function play(played: Case, terms?: Terms): Outcome {
  const { pods, pick, keys = 1, away = () => false } = played;
  const counted = Array.from({ length: keys }, () => new Counted(terms ?? { period: SECONDS, latest: 1 }));
  const [random, ahead] = [chance(7), new Array<number>(SECONDS).fill(0)];
  let [at, messages] = [0, 0];
  for (;;) {
    at -= Math.log(1 - random()) / (LIMIT * LOAD * keys);
    if (at >= SECONDS) break;
    const ready = pods(at);
    // All keys go in one question, and one answer.
    const asked = terms !== undefined ? counted.map((one) => one.renew(ready, at, away(at))) : [0];
    messages += 2 * (asked[0] ?? 0);
    const one = counted[Math.floor(random() * keys)];
    if (one === undefined) break;
    const pod = one.pod(pick(ready, random(), at), at);
    const share = LIMIT / pods(Math.max(0, at - DISCOVERY));
    const rate = terms === undefined ? share : leased(pod, at, share);
    const more = Number(pod.bucket.take(at, rate, rate)) - Number(one.exact.take(at, LIMIT, LIMIT));
    ahead[Math.floor(at)] = (ahead[Math.floor(at)] ?? 0) + more;
  }
  const percent = (sum: number, seconds: number): number => (sum / (LIMIT * keys * seconds)) * 100;
  const windows = ahead.slice(0, 1 - WINDOW).map((_, from) => sumOf(ahead.slice(from, from + WINDOW)));
  const worst = windows.reduce((most, sum) => (Math.abs(sum) > Math.abs(most) ? sum : most), 0);
  return {
    error: percent(sumOf(ahead), SECONDS),
    worst: percent(worst, WINDOW),
    messages: messages / SECONDS,
  };
}

/** What a pod lets in a second at a request. */
function leased({ bucket, holder }: Pod, at: number, share: number): number {
  holder.asked += 1;
  const rate = holder.rate(at, share);
  bucket.becomes(at, rate);
  return rate;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
