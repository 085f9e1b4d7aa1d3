import type { Sort } from './table-order.js';

/** What a person chose to see. All of it stands in the page's address, so that it can be kept, sent and gone back to. */
export interface PageState {
  /** Words that what is shown must hold. */
  readonly search: string;
  readonly onlyProblems: boolean;
  readonly pods: Sort;
  readonly calls: Sort;
  /** All calls, not only the first of a long table. */
  readonly allCalls: boolean;
  /** Namespaces that were unfolded by hand. */
  readonly opened: readonly string[];
  /** Namespaces that were folded by hand. */
  readonly closed: readonly string[];
}

/** Worst first, in both tables. */
export const FIRST_STATE: PageState = {
  search: '',
  onlyProblems: false,
  pods: { column: 'state', descending: false },
  calls: { column: 'success', descending: false },
  allCalls: false,
  opened: [],
  closed: [],
};

/** The state in the part of an address that begins with `?`. What cannot be understood counts as not said. */
export function readState(query: string): PageState {
  const said = new URLSearchParams(query);
  return {
    search: said.get('q') ?? '',
    onlyProblems: said.get('only') === 'problems',
    pods: readSort(said.get('pods'), FIRST_STATE.pods),
    calls: readSort(said.get('calls'), FIRST_STATE.calls),
    allCalls: said.get('show') === 'all-calls',
    opened: said.getAll('open'),
    closed: said.getAll('fold'),
  };
}

/** The other way round; empty where all is as at first. */
export function writeState(state: PageState): string {
  const said = new URLSearchParams();
  if (state.search !== '') said.set('q', state.search);
  if (state.onlyProblems) said.set('only', 'problems');
  for (const table of ['pods', 'calls'] as const) {
    const text = sortText(state[table]);
    if (text !== sortText(FIRST_STATE[table])) said.set(table, text);
  }
  if (state.allCalls) said.set('show', 'all-calls');
  for (const name of state.opened) said.append('open', name);
  for (const name of state.closed) said.append('fold', name);
  return said.size === 0 ? '' : `?${said.toString()}`;
}

/** The state in which a namespace is folded or not, as a person said. */
export function withFold(state: PageState, namespace: string, open: boolean): PageState {
  const others = (names: readonly string[]): string[] => names.filter((name) => name !== namespace);
  return {
    ...state,
    opened: open ? [...others(state.opened), namespace] : others(state.opened),
    closed: open ? others(state.closed) : [...others(state.closed), namespace],
  };
}

function readSort(text: string | null, usual: Sort): Sort {
  const [, minus, column] = /^(-?)([a-z0-9]+)$/.exec(text ?? '') ?? [];
  return column === undefined ? usual : { column, descending: minus === '-' };
}

function sortText({ column, descending }: Sort): string {
  return `${descending ? '-' : ''}${column}`;
}
