import Table from 'cli-table3';
import type { Summary } from '../../e2e/support/summary.js';
import type { Feature } from './feature.js';
import { ratio, signed } from './goals.js';
import { type Row, type Sample, type Side, rowOf } from './row.js';

/** A row with what became of its goals. */
export interface Judged {
  readonly name: string;
  readonly row?: Row;
  readonly goals: readonly { readonly says: string; readonly reached: string; readonly met: boolean }[];
  /** Why some of it could not be measured. */
  readonly broken?: string;
}

/** What could not be measured has met nothing. */
export function judged({ name, goals }: Feature, samples: readonly Sample[], broken?: string): Judged {
  const row = rowOf(name, samples);
  return {
    name,
    ...(row === undefined ? {} : { row }),
    goals: goals.map(({ says, reached, met }) =>
      row === undefined || broken !== undefined
        ? { says, reached: 'not measured', met: false }
        : { says, reached: reached(row), met: met(row) },
    ),
    ...(broken === undefined ? {} : { broken }),
  };
}

function spread({ median, min, max, samples }: Summary, digits: number, text = fixed): string {
  const all = text(median, digits);
  return samples === 1 ? all : `${all} (${text(min, digits)} to ${text(max, digits)})`;
}

function fixed(value: number, digits: number): string {
  return value.toFixed(digits);
}

function about(side: Side | undefined): readonly [without: string, adds: string, memory: string] {
  if (side === undefined) return ['-', '-', '-'];
  const { off, added, percent, memory } = side;
  const share = `${signed(percent.median, 0)} %`;
  return [spread(off, 1), `${spread(added, 2, signed)}, ${share}`, signed(memory.median, 1)];
}

const HEAD = [
  '',
  'Weft, us',
  'it adds',
  'MB',
  'Envoy, us',
  'it adds',
  'MB',
  "Weft's of Envoy's",
  'goals',
] as const;

function columns({ name, row, goals, broken }: Judged): readonly string[] {
  const told = goals.map(({ says, reached, met }) => `${met ? 'met' : 'OPEN'}: ${says} (${reached})`);
  const lines = row === undefined ? [] : written(row);
  const last = broken === undefined ? [...told, ...lines] : [`broken: ${broken.split('\n')[0] ?? ''}`];
  if (row === undefined) return [name, ...Array.from({ length: 7 }, () => '-'), last.join('; ')];
  return [name, ...about(row.weft), ...about(row.envoy), ratio(row.weft, row.envoy), last.join('; ')];
}

/** A proxy that drops lines of its log does less than one that writes them. */
function written({ weft, envoy }: Row): readonly string[] {
  const share = (side: Side | undefined): string =>
    side === undefined ? '-' : `${Math.min(100, side.logged.median * 100).toFixed(0)} %`;
  return weft.logged.median > 0.1 ? [`lines written: ${share(weft)}, Envoy ${share(envoy)}`] : [];
}

/** For a terminal. */
export function table(rows: readonly Judged[]): string {
  const out = new Table({ head: [...HEAD], style: { head: [], border: [] } });
  for (const row of rows) out.push(columns(row).map((text) => text.replaceAll('; ', '\n')));
  return out.toString();
}

/** For docs/performance-features.md. */
export function markdown(rows: readonly Judged[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(HEAD), `|${'---|'.repeat(HEAD.length)}`, ...rows.map((row) => line(columns(row)))].join('\n');
}

/** The sentence that a run ends with. */
export function verdict(rows: readonly Judged[]): string {
  const goals = rows.flatMap((row) => row.goals);
  return `bench features: ${goals.filter(({ met }) => met).length} of ${goals.length} met`;
}
