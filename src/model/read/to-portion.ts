import type { Portion } from '../words/route-actions.js';

interface ApiPortion {
  readonly percent?: number | undefined;
  readonly fraction?: { readonly numerator: number; readonly denominator?: number | undefined } | undefined;
}

/** How many of the requests, as a percent or a fraction says. */
export function translatePortion({ percent, fraction }: ApiPortion): Portion {
  return fraction === undefined
    ? { numerator: percent ?? 0, denominator: 100 }
    : { numerator: fraction.numerator, denominator: fraction.denominator ?? 100 };
}
