import { hash } from 'node:crypto';

const MODULUS = 1n << 128n;

/** What a member adds to the sum of its set. */
export function memberNumber(member: string): bigint {
  return BigInt(`0x${hash('sha256', member).slice(0, 32)}`);
}

/**
 * Stands for a set whose parts are counted in different places: sums of parts add up, and two sets have the same sum only
 * if they have the same members, each once. A list of thousands of members travels as one number.
 */
export interface MemberSum {
  readonly count: number;
  /** Hexadecimal. */
  readonly sum: string;
}

/** The sum of the members with these numbers. */
export function memberSum(numbers: readonly bigint[]): MemberSum {
  return { count: numbers.length, sum: hex(numbers.reduce((total, one) => total + one, 0n)) };
}

/** The sum of the members of all parts. */
export function joinSums(parts: readonly MemberSum[]): MemberSum {
  const total = parts.reduce((sum, part) => sum + BigInt(`0x${part.sum}`), 0n);
  return { count: parts.reduce((count, part) => count + part.count, 0), sum: hex(total) };
}

function hex(number: bigint): string {
  return (number % MODULUS).toString(16);
}
