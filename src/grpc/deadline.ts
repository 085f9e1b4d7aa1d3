const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Longest delay a timer takes; a deadline beyond it is none. */
const MAX_TIMER_MS = 2_147_483_647;

/** Milliseconds of a `grpc-timeout` header, rounded up. Undefined: none, or not well formed and thus ignored. */
export function deadlineMs(header: string | string[] | undefined): number | undefined {
  if (typeof header !== 'string') return undefined;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  const scale = UNIT_MS[unit ?? ''];
  if (digits === undefined || scale === undefined) return undefined;
  const ms = Math.ceil(Number(digits) * scale);
  return ms > MAX_TIMER_MS ? undefined : ms;
}
