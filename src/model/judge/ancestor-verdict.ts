import type { ServiceKey } from '../words/keys.js';
import type { Verdict } from '../words/problem.js';

/** What became of an object of Gateway API for one of the Services that its status lists as ancestors. */
export interface AncestorVerdict {
  readonly ancestor: ServiceKey;
  readonly accepted: Verdict;
  /** Absent: the kind has no such condition. */
  readonly resolvedRefs?: Verdict;
}
