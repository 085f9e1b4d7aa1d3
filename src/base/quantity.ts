/** Factors of the suffixes of Kubernetes quantities. */
const FACTORS: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

const QUANTITY = /^(\d+\.?\d*|\.\d+)(?:[eE]([+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i)?)$/;

/**
 * Whether the text is a Kubernetes quantity that is not negative, such as `100m`, `1.5Gi`, `32Mi` or `1e3`. The client
 * library's `quantityToScalar` knows neither fractions with a suffix nor exponents, so this is our own.
 */
export function isQuantity(text: string): boolean {
  return QUANTITY.test(text);
}

/** Negative, zero or positive, as `a` is less than, equal to or more than `b`; both are quantities. */
export function compareQuantities(a: string, b: string): number {
  return quantityAmount(a) - quantityAmount(b);
}

/** The amount in units: bytes of memory, processors of CPU. */
export function quantityAmount(text: string): number {
  const [, digits, exponent, suffix] = QUANTITY.exec(text) ?? [];
  const factor = exponent === undefined ? (FACTORS[suffix ?? ''] ?? 1) : 10 ** Number(exponent);
  return Number(digits) * factor;
}
