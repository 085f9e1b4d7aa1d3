import type { Page } from '../page.js';
import type { CallerAnswer } from './answer.js';
import type { Report } from './explain.js';

type Row = readonly [string, string];

/** What the chosen route does beside choosing: timeouts, retries and the like, and changes of the request. */
export function routeOf({ caller, policy }: Report, page: Page): string {
  const rows: Row[] = policy === undefined ? [] : [['set by', policy]];
  if (caller.policies !== undefined) rows.push(...policyRows(caller.policies));
  rows.push(...changeRows(caller));
  if (rows.length === 0) return '';
  const wrapped = rows.map(([what, value]) => [what, wrap(value, 80)]);
  return `${page.strong('Route')}\n${page.table(['WHAT', 'VALUE'], wrapped)}`;
}

function policyRows({
  timeouts,
  retries,
  hedging,
  mirrors,
}: NonNullable<CallerAnswer['policies']>): readonly Row[] {
  const rows: Row[] = [];
  const set = Object.entries(timeouts).flatMap(([name, time]) => (time === null ? [] : [`${name} ${time}`]));
  if (set.length > 0) rows.push(['timeouts', set.join(', ')]);
  if (retries !== null && retries !== undefined) rows.push(['retries', retriesText(retries)]);
  if (hedging !== null && hedging !== undefined)
    rows.push(['hedging', `${hedging.attempts} more after ${hedging.after}`]);
  for (const mirror of mirrors)
    rows.push(['mirror', `${percent(mirror.percent).trim()} to ${mirror.backend}`]);
  return rows;
}

function retriesText(retries: NonNullable<NonNullable<CallerAnswer['policies']>['retries']>): string {
  const on = [...retries.on, ...retries.statuses].join(', ');
  const left = typeof retries.budgetLeft === 'number' ? `; ${retries.budgetLeft} left in the budget` : '';
  return `${retries.attempts}, on ${on}${left}`;
}

function changeRows({ changes, request }: CallerAnswer): readonly Row[] {
  const { path, headers = {} } = changes ?? {};
  const rows: Row[] = typeof path === 'string' && path !== request?.path ? [['path', path]] : [];
  for (const [name, value] of Object.entries(headers))
    rows.push(['header', value === null ? `${name} is removed` : `${name}: ${value}`]);
  return rows;
}

/** A share, right-aligned to five columns. */
export function percent(number: number): string {
  const text = number >= 10 || Number.isInteger(number) ? number.toFixed(0) : number.toPrecision(2);
  return `${text} %`.padStart(5);
}

/** Lines of at most so many characters, broken at spaces; what has none stays whole. */
export function wrap(text: string, width: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + word.length + 1 > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join('\n');
}
