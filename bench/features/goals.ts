import type { Row, Side } from './row.js';

/** What a row has to reach. */
export interface Goal {
  readonly says: string;
  readonly reached: (row: Row) => string;
  readonly met: (row: Row) => boolean;
}

const percent = (side: Side): string => `${signed(side.percent.median, 1)} %`;

/** A figure with its sign. */
export function signed(value: number, digits: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(digits)}`;
}

/** Noise beyond this share of a request hides what rows are about, and excuses nothing. */
const MOST_NOISE = 0.05;

/** Whether what is added cannot be told from nothing, by a measurement that would tell much. */
function nothing({ added, noise, off }: Side): boolean {
  return added.median <= Math.min(noise, MOST_NOISE * off.median);
}

/** What it adds cannot be told from what the same proxy differs by between two starts. */
export function withinNoise(): Goal {
  return {
    says: 'within noise',
    reached: ({ weft }) => `${signed(weft.added.median, 2)} us, noise ${weft.noise.toFixed(2)} us`,
    met: ({ weft }) => nothing(weft),
  };
}

export function adds(micros: number): Goal {
  return {
    says: `<= +${micros} us`,
    reached: ({ weft }) => `${signed(weft.added.median, 2)} us`,
    met: ({ weft }) => weft.added.median <= micros,
  };
}

export function addsPercent(most: number): Goal {
  return {
    says: `<= +${most} %`,
    reached: ({ weft }) => percent(weft),
    met: ({ weft }) => weft.percent.median <= most,
  };
}

/** At most this share of what Envoy adds. What is not to be told from nothing is a share of anything. */
export function shareOfEnvoys(share: number): Goal {
  return {
    says: `<= ${share} of Envoy's`,
    reached: ({ weft, envoy }) => ratio(weft, envoy),
    met: ({ weft, envoy }) =>
      envoy !== undefined && (weft.added.median <= share * envoy.added.median || nothing(weft)),
  };
}

/** Weft's part of what Envoy adds, where that is something. */
export function ratio(weft: Side, envoy: Side | undefined): string {
  if (envoy === undefined) return '-';
  if (nothing(envoy)) return 'Envoy adds nothing';
  if (weft.added.median <= 0) return 'Weft adds nothing';
  return (weft.added.median / envoy.added.median).toFixed(2);
}

export function busyBelow(megabytes: number): Goal {
  return {
    says: `busy < ${megabytes} MB`,
    reached: ({ weft }) => `${(weft.busy?.median ?? Number.NaN).toFixed(1)} MB`,
    met: ({ weft }) => (weft.busy?.median ?? Number.NaN) < megabytes,
  };
}

export function memoryAdded(megabytes: number): Goal {
  return {
    says: `<= +${megabytes} MB`,
    reached: ({ weft }) => `${signed(weft.memory.median, 2)} MB`,
    met: ({ weft }) => weft.memory.median <= megabytes,
  };
}

/** What a million keys take. */
export function keysWithin(megabytes: number): Goal {
  return {
    says: `1,000,000 keys: <= +${megabytes.toFixed(2)} MB`,
    reached: ({ weft }) => `${signed(weft.keys?.median ?? Number.NaN, 2)} MB`,
    met: ({ weft }) => (weft.keys?.median ?? Number.NaN) <= megabytes,
  };
}
