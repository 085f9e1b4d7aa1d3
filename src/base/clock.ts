/** Where time comes from, so that tests can say what time it is. */
export interface Clock {
  /** Milliseconds since 1970; jumps when somebody sets the clock. For certificates and timestamps. */
  now(): number;
  /** Milliseconds since some moment; never goes back. For durations. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
