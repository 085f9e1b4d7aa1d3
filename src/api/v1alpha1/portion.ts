import { fraction, percent } from '../schema/fields.js';

/** Fields that say how many of the requests something is done to; see `onePortion`. */
export const portion = {
  percent: percent.optional().meta({ description: 'Percentage of the requests.' }),
  fraction: fraction.optional().meta({ description: 'Share of the requests, as a fraction.' }),
};

/** The rule of an object with a portion. There is no default: what costs requests or doubles them is said aloud. */
export const onePortion = {
  cel: 'has(self.percent) != has(self.fraction)',
  message: 'give exactly one of percent and fraction',
  holds: ({ percent, fraction }: { readonly percent?: unknown; readonly fraction?: unknown }): boolean =>
    (percent === undefined) !== (fraction === undefined),
};
