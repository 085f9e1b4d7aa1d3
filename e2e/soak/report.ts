import Table from 'cli-table3';
import { KINDS, type Kind, type Traffic } from '../chaos/traffic.js';
import { type Sample, type Slope, type Verdict, allowed, judge, slopeOf } from './slope.js';
import type { Measure } from './subject.js';

/** One thing that was watched, and what is said of it. */
export interface Watched {
  readonly subject: string;
  readonly measure: Measure;
  /** An hour. */
  readonly bound: number;
  readonly first: number;
  readonly last: number;
  readonly slope: Slope | undefined;
  readonly verdict: Verdict;
}

/** Says of a series of samples what became of it; what was there at the start, until caches are full, does not count. */
export function watched(
  about: Pick<Watched, 'subject' | 'measure' | 'bound'>,
  samples: readonly Sample[],
): Watched {
  const settled = samples.slice(Math.floor(samples.length / 4));
  const slope = slopeOf(settled);
  const bound = allowed(about.bound, settled);
  const [first = Number.NaN, last = Number.NaN] = [settled[0]?.value, settled.at(-1)?.value];
  return { ...about, bound, first, last, slope, verdict: judge(slope, bound) };
}

/** What may be sent again is never lost; of the rest, what had begun when its endpoint went may be: at most 1 %. */
const NEVER: readonly Kind[] = ['GET', 'h2'];
const SELDOM = 0.01;

export interface Lost {
  readonly kind: Kind;
  readonly sent: number;
  readonly lost: number;
  readonly ways: Readonly<Record<string, number>>;
  readonly promise: string;
  readonly met: boolean;
}

export function lostOf(traffic: Traffic): readonly Lost[] {
  return KINDS.flatMap((kind): Lost[] => {
    const count = traffic[kind];
    if (count === undefined) return [];
    const most = NEVER.includes(kind) ? 0 : count.sent * SELDOM;
    const promise = NEVER.includes(kind) ? '0' : '1 % at most';
    return [{ kind, ...count, promise, met: count.sent > 0 && count.lost <= most }];
  });
}

export function table(all: readonly Watched[], lost: readonly Lost[]): string {
  const style = { head: [], border: [] };
  const slopes = new Table({ head: ['what', 'first', 'last', 'an hour', 'bound', 'verdict'], style });
  for (const { subject, measure, first, last, slope, bound, verdict } of all) {
    const rate = slope === undefined ? '' : `${slope.perHour.toFixed(2)} ± ${(2 * slope.error).toFixed(2)}`;
    slopes.push([
      `${subject}: ${UNITS[measure]}`,
      first.toFixed(1),
      last.toFixed(1),
      rate,
      bound.toFixed(0),
      verdict,
    ]);
  }
  const losses = new Table({ head: ['kind', 'sent', 'lost', 'promised', 'how', 'met'], style });
  for (const { kind, sent, lost: count, promise, ways, met } of lost) {
    const how = Object.entries(ways).map(([way, times]) => `${times} ${way}`);
    losses.push([kind, sent, count, promise, how.join(', ').slice(0, 80), met ? 'yes' : 'NO']);
  }
  return `${slopes.toString()}\n${losses.toString()}`;
}

const UNITS: Readonly<Record<Measure, string>> = {
  memory: 'MB',
  descriptors: 'descriptors',
  series: 'series',
};

/** What a run comes to. What is open has kept no promise, and broken none. */
export interface Judged {
  readonly of: number;
  readonly met: number;
  readonly open: number;
}

/** Of what was watched, what was lost, and how often replicas had to be started again, which memory that is flat would hide. */
export function judged(all: readonly Watched[], lost: readonly Lost[], restarts: number): Judged {
  const count = (wanted: Verdict): number => all.filter(({ verdict }) => verdict === wanted).length;
  return {
    of: all.length + lost.length + 1,
    met: count('flat') + lost.filter((one) => one.met).length + (restarts === 0 ? 1 : 0),
    open: count('open'),
  };
}
