/** What several runs say of one figure. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

/** Undefined when there is no value. */
export function summarise(samples: readonly number[]): Summary | undefined {
  const values = samples.toSorted((a, b) => a - b);
  const [min, max] = [values[0], values.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const middle = (values.length - 1) / 2;
  const [low = Number.NaN, high = Number.NaN] = [values[Math.floor(middle)], values[Math.ceil(middle)]];
  return { median: (low + high) / 2, min, max, samples: values.length };
}
