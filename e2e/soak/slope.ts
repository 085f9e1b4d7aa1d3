/** How fast something grows, and how sure that is. */
export interface Slope {
  /** Per hour. */
  readonly perHour: number;
  /** Standard error of it, per hour. */
  readonly error: number;
}

export interface Sample {
  /** Milliseconds, from whenever. */
  readonly at: number;
  readonly value: number;
}

const HOUR = 3_600_000;
/** Neighbouring samples say much the same, so that each for itself would make us too sure: means of so many blocks count. */
const BLOCKS = 24;

/** By least squares over means of blocks; undefined where there are too few samples to say. */
export function slopeOf(samples: readonly Sample[]): Slope | undefined {
  const points = blocks(samples);
  if (points.length < 4) return undefined;
  const [meanAt, meanValue] = [mean(points.map(({ at }) => at)), mean(points.map(({ value }) => value))];
  const spread = sum(points.map(({ at }) => (at - meanAt) ** 2));
  const perMs = sum(points.map(({ at, value }) => (at - meanAt) * (value - meanValue))) / spread;
  const residual = sum(points.map(({ at, value }) => (value - meanValue - perMs * (at - meanAt)) ** 2));
  const error = Math.sqrt(residual / (points.length - 2) / spread);
  return { perHour: perMs * HOUR, error: error * HOUR };
}

function blocks(samples: readonly Sample[]): readonly Sample[] {
  const size = Math.max(1, Math.floor(samples.length / BLOCKS));
  const count = Math.floor(samples.length / size);
  return Array.from({ length: count }, (_, index) => {
    const block = samples.slice(index * size, (index + 1) * size);
    return { at: mean(block.map(({ at }) => at)), value: mean(block.map(({ value }) => value)) };
  });
}

/**
 * `grows`: faster than the bound, beyond doubt. `flat`: beyond doubt slower. `open`: it was watched for too short a time to tell.
 * `unseen`: there were too few samples, or some that are no numbers.
 */
export type Verdict = 'flat' | 'open' | 'grows' | 'unseen';

/**
 * What a bound of so much in an hour allows an hour of what was watched for a shorter time: as much in all, since caches that fill
 * and what is counted for the first time are no leaks.
 */
export function allowed(bound: number, samples: readonly Sample[]): number {
  const span = (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0);
  return bound * Math.max(1, HOUR / span);
}

/** Two standard errors to either side hold the slope in 95 of 100 cases. */
export function judge(slope: Slope | undefined, bound: number): Verdict {
  if (slope === undefined) return 'unseen';
  const { perHour, error } = slope;
  // No comparison with NaN holds, which must not be taken for doubt.
  if (!Number.isFinite(perHour) || !Number.isFinite(error)) return 'unseen';
  if (perHour - 2 * error > bound) return 'grows';
  return perHour + 2 * error <= bound ? 'flat' : 'open';
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number => sum(values) / values.length;
