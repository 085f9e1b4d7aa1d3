import type { RouteProblem } from '../../words/mesh-route.js';

/** Collects what is wrong with a rule while it is read. */
export class Notes {
  readonly problems: RouteProblem[] = [];

  constructor(private readonly rule: number) {}

  /** A value that the mesh does not act on: the rule is not in force. */
  unsupported(field: string, message: string): void {
    this.add({ condition: 'Accepted', reason: 'UnsupportedValue', field, message });
  }

  add(problem: Omit<RouteProblem, 'rule'>): void {
    this.problems.push({ ...problem, rule: this.rule });
  }

  /** The first thing that keeps the rule from acting. */
  get refusal(): string | undefined {
    const found = this.problems.find(({ condition }) => condition === 'Accepted');
    return found === undefined ? undefined : `${found.field}: ${found.message}`;
  }
}
