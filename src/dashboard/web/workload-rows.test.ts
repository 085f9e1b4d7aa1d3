import { expect, test } from '@jest/globals';
import { byNamespace, byWorkload } from '../../telemetry/index.js';
import { idOf, saidEdge } from '../../telemetry/seen.fixture.js';
import type { NamespaceView, PodView } from '../mesh-view.js';
import { FIRST_STATE, withFold } from './page-state.js';
import { namespaceRows, whyTroubled } from './workload-rows.js';

const pod = (name: string, more: Partial<PodView> = {}): PodView => ({
  name,
  workload: `Deployment/${name}`,
  identity: idOf(name),
  proxyVersion: '0.1.0',
  injection: 'injected',
  lacksProxy: false,
  ready: true,
  phase: 'Running',
  ...more,
});

const namespace = (name: string, ...pods: PodView[]): NamespaceView => ({
  name,
  labelled: true,
  ended: 0,
  pods,
});

const many = Array.from({ length: 60 }, (_, i) => pod(`many-${i}`));
const large = [
  namespace('calm', ...many),
  namespace(
    'rough',
    pod('b'),
    pod('a'),
    pod('leaving', { phase: 'Terminating', ready: false }),
    pod('starting', { phase: 'Pending', ready: false }),
    pod('bare', { lacksProxy: true, identity: '', injection: 'no proxy: restart it' }),
    pod('failing'),
    pod('slow', { ready: false }),
  ),
];
const answered = [
  saidEdge({
    by: 'failing',
    namespace: 'rough',
    direction: 'inbound',
    tls: 'mutual',
    counts: { ok: 50, serverError: 50 },
  }),
].map((edge) => ({ ...edge, seconds: 10 }));

const rows = (state = FIRST_STATE, namespaces = large): ReturnType<typeof namespaceRows> =>
  namespaceRows(
    { namespaces, workloads: byWorkload(answered), namespaceSignals: byNamespace(answered) },
    state,
  );
const shown = (
  state = FIRST_STATE,
  view = large,
): readonly (readonly [string, boolean, readonly string[]])[] =>
  rows(state, view).map(
    ({ namespace: { name }, open, workloads }) =>
      [name, open, workloads.map(({ workload }) => workload.replace('Deployment/', ''))] as const,
  );

test('namespaces with problems come first, and in them the workloads that have one; a pod that leaves has none', () => {
  const [[first, , workloads], [second]] = shown() as [[string, boolean, string[]], [string]];
  expect([first, second]).toEqual(['rough', 'calm']);
  expect(workloads).toEqual(['bare', 'failing', 'starting', 'slow', 'b', 'a', 'leaving']);
  expect(rows().map(({ troubled }) => troubled)).toEqual([4, 0]);
  expect(whyTroubled(rows()[0]!.workloads[0]!)).toEqual(['no proxy: restart it']);
});

test('workloads have what they let in beside their pods, and namespaces the sum', () => {
  const [rough] = rows();
  const failing = rough!.workloads.find(({ workload }) => workload === 'Deployment/failing');
  expect(failing).toMatchObject({
    key: 'rough/deployment/failing',
    signals: { perSecond: 10, successRate: 0.5 },
  });
  expect(rough!.signals).toMatchObject({ perSecond: 10 });
});

test('a large mesh is folded, a small one is not, and by hand either is the other', () => {
  expect(shown().map(([, open]) => open)).toEqual([false, false]);
  expect(shown(withFold(FIRST_STATE, 'calm', true)).map(([, open]) => open)).toEqual([false, true]);
  const small = [namespace('a', pod('x')), namespace('b', pod('y'))];
  expect(shown(FIRST_STATE, small).map(([, open]) => open)).toEqual([true, true]);
  expect(shown(withFold(FIRST_STATE, 'a', false), small).map(([, open]) => open)).toEqual([false, true]);
});

test('a search unfolds what it finds and leaves out where it finds nothing', () => {
  expect(shown({ ...FIRST_STATE, search: 'many-59' })).toEqual([['calm', true, ['many-59']]]);
  expect(shown({ ...FIRST_STATE, search: 'rough slow' })).toEqual([['rough', true, ['slow']]]);
  expect(shown({ ...FIRST_STATE, search: 'not ready' })).toEqual([['rough', true, ['slow']]]);
  expect(shown({ ...FIRST_STATE, search: 'nothing-like-it' })).toEqual([]);
});

test('only problems are those that somebody should look at', () => {
  const by = { column: 'workload', descending: false };
  expect(shown({ ...FIRST_STATE, onlyProblems: true, workloads: by })).toEqual([
    ['rough', true, ['bare', 'failing', 'slow', 'starting']],
  ]);
});
