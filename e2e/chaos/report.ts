import Table from 'cli-table3';
import type { Played, Row } from './row.js';
import { lines } from './traffic.js';

/** A row and what became of it, or why it could not be played. */
export interface Outcome {
  readonly row: Pick<Row<never>, 'name' | 'title' | 'promise'>;
  readonly played?: Played;
  readonly failure?: string;
}

export function met({ played }: Outcome): boolean {
  return played?.wrong.length === 0;
}

/** For people: what was promised, sent, lost, and how long it hurt. */
export function table(outcomes: readonly Outcome[]): string {
  const out = new Table({
    head: ['fault', 'promise', 'sent', 'lost', 'hurt', 'back after', 'met'],
    colWidths: [34, 26, 26, 30, 8, 8, 5],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const outcome of outcomes) {
    const { row, played, failure } = outcome;
    const name = `${row.name}: ${row.title}`;
    if (played === undefined) {
      out.push([name, row.promise, failure ?? '', '', '', '', 'NO']);
      continue;
    }
    const { sent, lost } = lines(played.traffic);
    const verdict = met(outcome) ? 'yes' : 'NO';
    const seen = `${name} (${played.seen})`;
    const [hurt, recovery] = [played.hurt, played.recovery].map((seconds) => `${seconds.toFixed(1)} s`);
    out.push([seen, row.promise, sent, [lost, ...played.wrong].join('; '), hurt, recovery, verdict]);
  }
  return out.toString();
}

/** The sentence that a run ends with. */
export function verdict(outcomes: readonly Outcome[]): string {
  return `chaos: ${outcomes.filter(met).length} of ${outcomes.length} met`;
}

/** For programs. */
export function toJson(outcomes: readonly Outcome[]): object {
  return outcomes.map(({ row: { name, title, promise }, ...rest }) => ({
    name,
    title,
    promise,
    met: met({ row: { name, title, promise }, ...rest }),
    ...rest,
  }));
}
