import type { Referrer } from '../../words/grant.js';
import type { RouteProblem, RouteRule } from '../../words/mesh-route.js';

/** Where a rule stands. */
export interface RulePlace {
  readonly from: Referrer;
  /** Name of the route. */
  readonly route: string;
  /** In `spec.rules`. */
  readonly index: number;
}

/** What came of reading a rule. */
export interface ReadRule {
  /** Absent: nobody can tell what the rule means to match. */
  readonly rule?: RouteRule;
  readonly problems: readonly RouteProblem[];
}
