import Table from 'cli-table3';
import { type Summary, summarise } from '../support/summary.js';
import type { Figures, Lookup, Scenario } from './scenario.js';

/** A scenario and what its runs measured, or why it could not be played. */
export interface Outcome {
  readonly scenario: Scenario;
  readonly runs: readonly Figures[];
  readonly failure?: string;
}

const NOTHING: Summary = { median: Number.NaN, min: Number.NaN, max: Number.NaN, samples: 0 };

function lookup(runs: readonly Figures[]): Lookup {
  return (figure) => summarise(runs.flatMap((run) => run[figure] ?? [])) ?? NOTHING;
}

export function met({ scenario, runs, failure }: Outcome): boolean {
  return failure === undefined && runs.length > 0 && scenario.met(lookup(runs));
}

/** The table of the issue, with what was reached. */
export function table(outcomes: readonly Outcome[]): string {
  const out = new Table({
    head: ['scenario', 'goal', 'reached', 'met'],
    colWidths: [30, 38, 58, 5],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const outcome of outcomes) {
    const { scenario, runs, failure } = outcome;
    const reached = failure ?? scenario.reached(lookup(runs));
    out.push([`${scenario.name}: ${scenario.title}`, scenario.goal, reached, met(outcome) ? 'yes' : 'NO']);
  }
  return out.toString();
}

/** The sentence that a run ends with. */
export function verdict(outcomes: readonly Outcome[]): string {
  return `scenarios: ${outcomes.filter(met).length} of ${outcomes.length} met`;
}

/** What is kept beside the table: each run, and what all say together. */
export function toJson(outcomes: readonly Outcome[]): object {
  return outcomes.map((outcome) => {
    const { scenario, runs, failure } = outcome;
    const figures = [...new Set(runs.flatMap((run) => Object.keys(run)))];
    const { name, title, goal } = scenario;
    return {
      name,
      title,
      goal,
      met: met(outcome),
      ...(failure === undefined ? { reached: scenario.reached(lookup(runs)) } : { failure }),
      summary: Object.fromEntries(figures.map((figure) => [figure, lookup(runs)(figure)])),
      runs,
    };
  });
}
