import { type Summary, summarise } from '../../e2e/support/summary.js';
import type { Cell } from './cell.js';

/** The same proxy without and with a feature, in one round. */
export interface Sample {
  readonly feature: string;
  readonly subject: 'weft' | 'envoy';
  readonly round: number;
  readonly off: Cell;
  readonly on: Cell;
}

/** What a feature does to one proxy, over all rounds. */
export interface Side {
  /** Microseconds of a request without it and with it. */
  readonly off: Summary;
  readonly on: Summary;
  /** What is added in each round. */
  readonly added: Summary;
  readonly percent: Summary;
  /** MB that are added. */
  readonly memory: Summary;
  /** MB while it is busy, with the feature. */
  readonly busy?: Summary;
  /** MB that a million keys add. */
  readonly keys?: Summary;
  /** Lines of the access log, of the requests, with the feature. */
  readonly logged: Summary;
  /** Microseconds by which two medians of the same would differ. */
  readonly noise: number;
}

export interface Row {
  readonly weft: Side;
  /** Absent: it could not be measured. */
  readonly envoy?: Side;
}

/** The row of a feature; undefined where Weft was not measured. */
export function rowOf(feature: string, samples: readonly Sample[]): Row | undefined {
  const weft = side(feature, 'weft', samples);
  const envoy = side(feature, 'envoy', samples);
  if (weft === undefined) return undefined;
  return { weft, ...(envoy === undefined ? {} : { envoy }) };
}

function side(feature: string, subject: Sample['subject'], samples: readonly Sample[]): Side | undefined {
  const own = samples.filter((one) => one.subject === subject);
  const pairs = own.filter((one) => one.feature === feature);
  const of = (value: (sample: Sample) => number | undefined): Summary | undefined =>
    summarise(pairs.flatMap((sample) => value(sample) ?? []));
  const off = of((sample) => sample.off.cpu);
  const on = of((sample) => sample.on.cpu);
  const added = of((sample) => sample.on.cpu - sample.off.cpu);
  const percent = of((sample) => (sample.on.cpu / sample.off.cpu - 1) * 100);
  const memory = of((sample) => sample.on.rss - sample.off.rss);
  const logged = of((sample) => sample.on.logged);
  if (!off || !on || !added || !percent || !memory || !logged) return undefined;
  const busy = of((sample) => sample.on.busy);
  const keys = of((sample) => (sample.on.keys === undefined ? undefined : sample.on.keys - sample.off.rss));
  return {
    ...{ off, on, added, percent, memory, logged, noise: noise(own, pairs.length) },
    ...(busy === undefined ? {} : { busy }),
    ...(keys === undefined ? {} : { keys }),
  };
}

/** Of a normal distribution: a median of a few spreads about as much more than their mean does. */
const MEDIAN = 1.2;
/** Differences beyond so many of their deviations are not chance. */
const DEVIATIONS = 2;

/**
 * What the median of `rounds` differences can be by chance, from how much the proxy without any feature differs between its starts. What
 * is the same for a whole round (the host's speed changes within minutes) or for a row (some loads have headers) is no chance.
 */
export function noise(samples: readonly Sample[], rounds: number): number {
  const mean = (some: readonly Sample[]): number =>
    some.reduce((sum, { off }) => sum + off.cpu, 0) / some.length;
  const all = mean(samples);
  const byRow = Map.groupBy(samples, ({ feature }) => feature);
  const byRound = Map.groupBy(samples, ({ round }) => round);
  const both = byRow.size > 1 && byRound.size > 1;
  const freedom = both ? (byRow.size - 1) * (byRound.size - 1) : samples.length - 1;
  if (freedom <= 0) return 0;
  const expected = ({ feature, round }: Sample): number =>
    both ? mean(byRow.get(feature) ?? []) + mean(byRound.get(round) ?? []) - all : all;
  const squares = samples.reduce((sum, sample) => sum + (sample.off.cpu - expected(sample)) ** 2, 0);
  return DEVIATIONS * MEDIAN * Math.sqrt((2 * squares) / freedom / rounds);
}
