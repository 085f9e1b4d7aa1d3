import { OTHER_CALLER, PLAIN_CALLER, type AccessCell, type AccessView } from '../access-view.js';
import type { Edge } from '../edge.js';
import type { HistoryView } from '../history-view.js';
import { shortIdentity } from '../identity-name.js';
import type { PageState } from './page-state.js';
import { matches } from './table-order.js';

/** What may be beside what is: of one caller and one Service. */
export interface AccessRow {
  readonly caller: string;
  readonly cells: readonly Met[];
}

export interface Met extends AccessCell {
  readonly service: string;
  readonly does: 'calls' | 'called' | 'tried' | 'never';
  /** Something that somebody should look at: it is refused and tried, or allowed by name and never used. */
  readonly odd: 'refused' | 'unused' | undefined;
}

/** Brings what the rules say and what callers do together. */
export function accessRows(
  access: AccessView,
  edges: readonly Edge[],
  history: HistoryView | undefined,
): readonly AccessRow[] {
  const now = new Map(edges.map((edge) => [`${edge.caller} ${edge.service}`, edge]));
  return access.callers.map((caller, row) => ({
    caller,
    cells: access.services.map((name, column) => {
      const service = `${access.namespace}/${name}`;
      const cell = access.cells[row]?.[column] ?? UNKNOWN;
      const does = doing(now.get(`${caller} ${service}`), history?.calls[`${caller} ${service}`]);
      return { ...cell, service: name, does, odd: isSomebody(caller) ? oddOf(cell, does) : undefined };
    }),
  }));
}

const UNKNOWN: AccessCell = { may: 'none', granted: false, by: '' };

/** Nobody in particular never calls, and that says nothing. */
function isSomebody(caller: string): boolean {
  return caller !== OTHER_CALLER;
}

type Trace = HistoryView['calls'][string];

function doing(edge: Edge | undefined, trace: Trace | undefined): Met['does'] {
  if (edge !== undefined && edge.perSecond + edge.openConnections > 0) return 'calls';
  if (trace !== undefined && Math.max(...trace.rates) > 0) return 'called';
  const refused = (edge?.denied ?? 0) + Math.max(0, ...(trace?.failing ?? []));
  return refused > 0 ? 'tried' : 'never';
}

function oddOf({ may, granted }: AccessCell, does: Met['does']): Met['odd'] {
  if (does === 'never') return granted ? 'unused' : undefined;
  return does === 'tried' || may === 'none' ? 'refused' : undefined;
}

/** The rows that are to be shown. */
export function shownAccess(
  rows: readonly AccessRow[],
  { search, onlyProblems }: PageState,
): readonly AccessRow[] {
  return rows.filter(
    ({ caller, cells }) =>
      (!onlyProblems || cells.some(({ odd }) => odd !== undefined)) &&
      (matches(search, [callerName(caller), caller]) ||
        cells.some((cell) => cell.does !== 'never' && matches(search, [callerName(caller), cell.service]))),
  );
}

/** Who it is, for people. */
export function callerName(caller: string): string {
  if (caller === PLAIN_CALLER) return 'no identity';
  if (caller === OTHER_CALLER) return 'any other identity';
  return shortIdentity(caller);
}

const MAY = { all: 'allowed', some: 'allowed in part', none: 'refused' } as const;
const DOES = { calls: 'calls now', called: 'called lately', tried: 'tries', never: 'never calls' } as const;

/** A cell in words. */
export function cellText({ may, does, by }: Met): string {
  return `${MAY[may]}, ${DOES[does]}${by === '' ? '' : `: ${by}`}`;
}
