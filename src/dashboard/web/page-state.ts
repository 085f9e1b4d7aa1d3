import type { TapQuestion } from '../tap-view.js';
import { TAP_VERDICTS } from '../tap-view.js';
import type { Sort } from './table-order.js';

/** The parts of the page, in their order. */
export const TABS = [
  { key: 'traffic', title: 'Traffic' },
  { key: 'live', title: 'Live' },
  { key: 'workloads', title: 'Workloads' },
  { key: 'access', title: 'Access' },
  { key: 'policies', title: 'Policies' },
  { key: 'findings', title: 'Findings' },
] as const;

export type Tab = (typeof TABS)[number]['key'];

/** What a person chose to see. All of it stands in the page's address, so that it can be kept, sent and gone back to. */
export interface PageState {
  readonly tab: Tab;
  /** Whose access or live requests are shown; empty: those of the first namespace. */
  readonly namespace: string;
  /** Key of the call whose details are shown; empty: none. */
  readonly edge: string;
  /** Which live requests are meant. */
  readonly tap: TapFilters;
  /** Words that what is shown must hold. */
  readonly search: string;
  readonly onlyProblems: boolean;
  readonly workloads: Sort;
  readonly calls: Sort;
  /** All calls, not only the first of a long table. */
  readonly allCalls: boolean;
  /** Namespaces that were unfolded by hand. */
  readonly opened: readonly string[];
  /** Namespaces that were folded by hand. */
  readonly closed: readonly string[];
  /** Workloads whose pods are shown: `<namespace>/<kind>/<name>`. */
  readonly unfolded: readonly string[];
}

/** The filters of live requests, in the words of the server; empty: whichever. */
export type TapFilters = Omit<TapQuestion, 'namespace'>;

const NO_FILTERS: TapFilters = { workload: '', side: '', from: '', to: '', status: '', verdict: '' };

/** Worst first, in both tables. */
export const FIRST_STATE: PageState = {
  tab: 'traffic',
  namespace: '',
  edge: '',
  tap: NO_FILTERS,
  search: '',
  onlyProblems: false,
  workloads: { column: 'state', descending: false },
  calls: { column: 'success', descending: false },
  allCalls: false,
  opened: [],
  closed: [],
  unfolded: [],
};

/** The state in the part of an address that begins with `?`. What cannot be understood counts as not said. */
export function readState(query: string): PageState {
  const said = new URLSearchParams(query);
  return {
    tab: TABS.find(({ key }) => key === said.get('view'))?.key ?? FIRST_STATE.tab,
    namespace: said.get('namespace') ?? '',
    edge: said.get('edge') ?? '',
    tap: readTap(said),
    search: said.get('q') ?? '',
    onlyProblems: said.get('only') === 'problems',
    workloads: readSort(said.get('workloads'), FIRST_STATE.workloads),
    calls: readSort(said.get('calls'), FIRST_STATE.calls),
    allCalls: said.get('show') === 'all-calls',
    opened: said.getAll('open'),
    closed: said.getAll('fold'),
    unfolded: said.getAll('pods'),
  };
}

/** The other way round; empty where all is as at first. */
export function writeState(state: PageState): string {
  const said = new URLSearchParams();
  const words = {
    view: state.tab === FIRST_STATE.tab ? '' : state.tab,
    namespace: state.namespace,
    edge: state.edge,
    ...state.tap,
    q: state.search,
    only: state.onlyProblems ? 'problems' : '',
    workloads: sortText(state.workloads, FIRST_STATE.workloads),
    calls: sortText(state.calls, FIRST_STATE.calls),
    show: state.allCalls ? 'all-calls' : '',
  };
  for (const [word, text] of Object.entries(words)) if (text !== '') said.set(word, text);
  const lists = { open: state.opened, fold: state.closed, pods: state.unfolded };
  for (const [word, names] of Object.entries(lists)) for (const name of names) said.append(word, name);
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

/** The state in which the pods of a workload are shown or not. */
export function withPods(state: PageState, workload: string, shown: boolean): PageState {
  const others = state.unfolded.filter((name) => name !== workload);
  return { ...state, unfolded: shown ? [...others, workload] : others };
}

function readTap(said: URLSearchParams): TapFilters {
  const text = (word: string): string => said.get(word) ?? '';
  const [side, verdict] = [text('side'), text('verdict')];
  return {
    workload: text('workload'),
    side: side === 'caller' || side === 'receiver' ? side : '',
    from: text('from'),
    to: text('to'),
    status: text('status'),
    verdict: TAP_VERDICTS.find((known) => known === verdict) ?? '',
  };
}

function readSort(text: string | null, usual: Sort): Sort {
  const [, minus, column] = /^(-?)([a-z0-9]+)$/.exec(text ?? '') ?? [];
  return column === undefined ? usual : { column, descending: minus === '-' };
}

/** Empty where it is the usual one. */
function sortText({ column, descending }: Sort, usual: Sort): string {
  if (column === usual.column && descending === usual.descending) return '';
  return `${descending ? '-' : ''}${column}`;
}
