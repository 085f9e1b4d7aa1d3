import { shortIdentity } from '../identity-name.js';
import type { TapLine, Tapped } from '../tap-view.js';
import type { PageState } from './page-state.js';
import { matches } from './table-order.js';

/** So many requests are kept and shown, the newest of them. */
export const MOST_ROWS = 200;

export interface LiveRow extends Tapped {
  /** Which of all that came it is. */
  readonly number: number;
}

/** What was heard since somebody began to watch. */
export interface Live {
  readonly state: 'none' | 'asking' | 'watching' | 'ended' | 'failed';
  readonly proxies: number;
  /** All that came, also those that are no longer shown. */
  readonly seen: number;
  /** How many were too many for the proxies, or for the page. */
  readonly leftOut: number;
  /** Newest first. */
  readonly rows: readonly LiveRow[];
  readonly notes: readonly string[];
}

export const NOTHING_HEARD: Live = {
  state: 'none',
  proxies: 0,
  seen: 0,
  leftOut: 0,
  rows: [],
  notes: [],
};

/** What is known after these lines. */
export function heard(live: Live, lines: readonly TapLine[]): Live {
  return lines.reduce(afterLine, live);
}

function afterLine(live: Live, line: TapLine): Live {
  switch (line.kind) {
    case 'watching':
      return { ...live, state: 'watching', proxies: line.proxies };
    case 'request': {
      const row = { ...line.request, number: live.seen };
      const rows = [row, ...live.rows].slice(0, MOST_ROWS);
      return { ...live, seen: live.seen + 1, leftOut: line.leftOut, rows };
    }
    case 'left-out':
      return { ...live, leftOut: line.leftOut };
    case 'ended':
      return { ...live, state: 'ended', leftOut: line.leftOut, notes: line.notes };
    case 'failed':
      return { ...live, state: 'failed', notes: [line.error] };
  }
}

/** The requests that are to be shown. */
export function liveRows(rows: readonly LiveRow[], { search, onlyProblems }: PageState): readonly LiveRow[] {
  return rows.filter(
    (row) =>
      (!onlyProblems || isTroubled(row)) &&
      matches(search, [row.pod, whatOf(row), saidOf(row), otherSide(row)]),
  );
}

/** Whether somebody should look at the request. */
export function isTroubled({ verdict, status = 0, wouldRefuse }: Tapped): boolean {
  return !isFine(verdict) || status >= 500 || wouldRefuse.length > 0;
}

/** The response came from where it should. */
export function isFine(verdict: string): boolean {
  return verdict === 'carried' || verdict === 'answered';
}

/** `GET reviews:9080/api`, or how many bytes went both ways. */
export function whatOf(row: Tapped): string {
  const { kind, method, authority, path, destination, sentBytes = 0, receivedBytes } = row;
  if (kind === 'bytes') return `bytes ${destination}, ${sentBytes} B there, ${receivedBytes} B back`;
  return `${method} ${authority === '' ? destination : authority}${path}`;
}

/** What became of it, by whose word. */
export function saidOf({ verdict, refusedBy, rule, reason, wouldRefuse }: Tapped): string {
  const why = reason === undefined || verdict === 'denied' || verdict === 'limited' ? '' : `(${reason})`;
  const by = refusedBy === undefined ? '' : `by ${refusedBy}`;
  const words = [verdict.replace('-', ' '), by, rule === undefined ? '' : `[${rule}]`, why];
  const said = words.filter((word) => word !== '').join(' ');
  return [said, ...wouldRefuse.map((stage) => `${stage} would refuse it`)].join(', ');
}

/** Whom it was sent to, or who sent it, where that was proved. */
export function otherSide({ side, caller, receiver }: Tapped): string {
  const identity = side === 'caller' ? receiver : caller;
  return identity === '' ? 'no identity' : shortIdentity(identity);
}
