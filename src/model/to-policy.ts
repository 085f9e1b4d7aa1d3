import type { Policy } from './policy.js';
import type { Problem } from './problem.js';

/**
 * A TrafficPolicy object as the API server stores it, in terms of the mesh. `policy` is absent when a problem makes
 * it unfit to act on; keep the last good one then, its status says so.
 */
export function toPolicy(object: unknown): {
  readonly policy?: Policy;
  readonly problems: readonly Problem[];
} {
  throw new Error(`to come: ${typeof object}`);
}
