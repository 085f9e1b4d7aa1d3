import { expect, test } from '@jest/globals';
import type { NamespaceView, PodView } from '../mesh-view.js';
import { FIRST_STATE, withFold } from './page-state.js';
import { namespaceRows } from './pod-rows.js';

const pod = (name: string, more: Partial<PodView> = {}): PodView => ({
  name,
  workload: `Deployment/${name}`,
  identity: `spiffe://cluster.local/ns/shop/sa/${name}`,
  proxyVersion: '0.1.0',
  injection: 'injected',
  lacksProxy: false,
  ready: true,
  phase: 'Running',
  scrapeError: '',
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
    pod('bare', { lacksProxy: true, identity: '' }),
    pod('mute', { scrapeError: 'no answer' }),
    pod('slow', { ready: false }),
  ),
];

const shown = (
  state = FIRST_STATE,
  view = large,
): readonly (readonly [string, boolean, readonly string[]])[] =>
  namespaceRows(view, state).map(
    ({ namespace: { name }, open, pods }) => [name, open, pods.map((each) => each.name)] as const,
  );

test('namespaces with problems come first, and in them the pods that have one; a pod that leaves has none', () => {
  const [[first, , pods], [second]] = shown() as [[string, boolean, string[]], [string]];
  expect([first, second]).toEqual(['rough', 'calm']);
  expect(pods).toEqual(['bare', 'mute', 'starting', 'slow', 'b', 'a', 'leaving']);
  expect(namespaceRows(large, FIRST_STATE).map(({ troubled }) => troubled)).toEqual([4, 0]);
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
  const by = { column: 'pod', descending: false };
  expect(shown({ ...FIRST_STATE, onlyProblems: true, pods: by })).toEqual([
    ['rough', true, ['bare', 'mute', 'slow', 'starting']],
  ]);
});
