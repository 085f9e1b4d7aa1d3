import type { Sample } from './prometheus.js';

/** What one proxy counted between two scrapes. */
export interface Interval {
  /** Time between the scrapes; 0 when there is only one yet, and then nothing has increased. */
  readonly seconds: number;
  readonly before: readonly Sample[];
  readonly after: readonly Sample[];
}

/** A counter, what it stands at, and how much it grew per second. */
export interface Counted {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly total: number;
  readonly perSecond: number;
}

/**
 * Every sample of the later scrape with its growth. A counter that went down belongs to a proxy that started anew, so
 * all of it is growth; a series that was not there before began at zero.
 */
export function increases(interval: Interval): Counted[] {
  const before = new Map(interval.before.map((sample) => [seriesKey(sample), sample.value]));
  return interval.after.map((sample) => {
    const earlier = before.get(seriesKey(sample)) ?? 0;
    const grown = sample.value < earlier ? sample.value : sample.value - earlier;
    const perSecond = interval.seconds > 0 ? grown / interval.seconds : 0;
    return { name: sample.name, labels: sample.labels, total: sample.value, perSecond };
  });
}

function seriesKey(sample: Sample): string {
  return JSON.stringify([sample.name, Object.entries(sample.labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
