import type { Portion } from '../../model/index.js';

/** A portion in the finest unit that the wire has for it. */
export function millionths({ numerator, denominator }: Portion): number {
  return Math.round((numerator * 1_000_000) / denominator);
}
