import { expect, test } from '@jest/globals';
import type { AccessCell, AccessView } from '../access-view.js';
import { anEdge } from '../edge.fixture.js';
import type { Edge } from '../edge.js';
import type { HistoryView } from '../history-view.js';
import { accessRows, callerName, shownAccess } from './access-rows.js';
import { FIRST_STATE } from './page-state.js';

const id = (name: string): string => `spiffe://cluster.local/ns/shop/sa/${name}`;
const cell = (may: AccessCell['may'], granted = false): AccessCell => ({ may, granted, by: '' });
const edge = (caller: string, more: Partial<Edge>): Edge =>
  anEdge({ key: `${id(caller)} shop/reviews`, caller: id(caller), ports: [], perSecond: 0, ...more });

const access: AccessView = {
  namespace: 'shop',
  services: ['reviews'],
  callers: [id('web'), id('cron'), id('mallory'), id('idle'), id('old'), '*', ''],
  cells: [
    [cell('all', true)],
    [cell('all', true)],
    [cell('none')],
    [cell('all')],
    [cell('none')],
    [cell('all', true)],
    [cell('all')],
  ],
  byDefault: '',
  notes: [],
};
const trace = (rates: number[], failing: number[] = [0]): HistoryView['calls'][string] => ({
  rates,
  failing,
});
const history: HistoryView = {
  endedAt: '',
  known: [],
  partial: [],
  notes: [],
  workloads: {},
  services: {},
  namespaces: {},
  calls: { [`${id('old')} shop/reviews`]: trace([0, 3]) },
};
const rows = accessRows(access, [edge('web', { perSecond: 2 }), edge('mallory', { denied: 4 })], history);

test('what may be stands beside what is, and what does not fit is odd', () => {
  expect(rows.map(({ caller, cells: [met] }) => [callerName(caller), met?.does, met?.odd])).toEqual([
    ['shop/web', 'calls', undefined],
    ['shop/cron', 'never', 'unused'],
    ['shop/mallory', 'tried', 'refused'],
    ['shop/idle', 'never', undefined],
    ['shop/old', 'called', 'refused'],
    ['any other identity', 'never', undefined],
    ['no identity', 'never', undefined],
  ]);
});

test('problems are the odd ones, and a search finds callers and what they call', () => {
  const names = (state = FIRST_STATE): string[] =>
    shownAccess(rows, state).map(({ caller }) => callerName(caller));
  expect(names({ ...FIRST_STATE, onlyProblems: true })).toEqual(['shop/cron', 'shop/mallory', 'shop/old']);
  expect(names({ ...FIRST_STATE, search: 'cron' })).toEqual(['shop/cron']);
  expect(names({ ...FIRST_STATE, search: 'reviews' })).toEqual(['shop/web', 'shop/mallory', 'shop/old']);
});
