import Table from 'cli-table3';
import { type Summary, summarise } from '../e2e/support/summary.js';
import { LINES, type Lookup, ROWS } from './rows.js';
import type { Figures } from './work.js';

/** Figures of every round, by subject. */
export type Results = ReadonlyMap<string, readonly Figures[]>;

function summaryOf(rounds: readonly Figures[], row: string): Summary | undefined {
  return summarise(rounds.flatMap((round) => round.get(row) ?? []));
}

function text(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)}k`;
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function cell(summary: Summary | undefined): string {
  if (summary === undefined) return '-';
  const { median, min, max, samples } = summary;
  return samples === 1 ? text(median) : `${text(median)} (${text(min)}-${text(max)})`;
}

const PLAIN = { style: { head: [], border: [] } };

/** Median and spread of every row, by subject. */
export function table(results: Results): string {
  const out = new Table({ head: ['', 'unit', ...results.keys()], ...PLAIN });
  for (const [row, unit] of ROWS) {
    out.push([row, unit, ...[...results.values()].map((rounds) => cell(summaryOf(rounds, row)))]);
  }
  return out.toString();
}

export function summaries(results: Results): Record<string, Record<string, Summary>> {
  return Object.fromEntries(
    [...results].map(([subject, rounds]) => [
      subject,
      Object.fromEntries(
        [...new Set(rounds.flatMap((round) => [...round.keys()]))].flatMap((row) => {
          const summary = summaryOf(rounds, row);
          return summary === undefined ? [] : [[row, summary]];
        }),
      ),
    ]),
  );
}

/** The table of lines, and the two sentences that a run ends with. */
export function verdict(results: Results): string {
  const of: Lookup = (subject, row) => summaryOf(results.get(subject) ?? [], row)?.median ?? Number.NaN;
  const out = new Table({ head: ['line', 'Weft', 'floor', 'met', 'goal', 'met'], ...PLAIN });
  const met = { floors: 0, goals: 0 };
  for (const line of LINES) {
    const [floor, goal] = [line.floor.met(of), line.goal.met(of)];
    met.floors += Number(floor);
    met.goals += Number(goal);
    const answer = (yes: boolean): string => (yes ? 'yes' : 'NO');
    out.push([line.name, line.reached(of), line.floor.says, answer(floor), line.goal.says, answer(goal)]);
  }
  const count = LINES.length;
  return [
    out.toString(),
    `bench floors: ${met.floors} of ${count} met`,
    `bench goals: ${met.goals} of ${count} met`,
  ].join('\n');
}
