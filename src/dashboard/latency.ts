/** Cumulative histogram: upper bound in seconds to how many per second were at most that slow. */
export type Buckets = ReadonlyMap<number, number>;

/** Adds what one series says about one bucket. */
export function addBucket(buckets: Map<number, number>, le: string, perSecond: number): void {
  const bound = le === '+Inf' ? Infinity : Number(le);
  buckets.set(bound, (buckets.get(bound) ?? 0) + perSecond);
}

/**
 * The quantile in milliseconds, by linear interpolation inside its bucket, as Prometheus does. Beyond the last finite
 * bound nothing is known, so that bound is the answer. Undefined when nothing was measured.
 */
export function quantileMs(buckets: Buckets, quantile: number): number | undefined {
  const sorted = [...buckets].sort(([a], [b]) => a - b);
  const all = sorted.at(-1)?.[1] ?? 0;
  if (!(all > 0)) return undefined;
  const rank = quantile * all;
  let [lower, below] = [0, 0];
  for (const [bound, count] of sorted) {
    if (count >= rank && count > below) {
      if (bound === Infinity) return lower * 1000;
      return (lower + ((bound - lower) * (rank - below)) / (count - below)) * 1000;
    }
    if (bound !== Infinity) [lower, below] = [bound, count];
  }
  return lower * 1000;
}
