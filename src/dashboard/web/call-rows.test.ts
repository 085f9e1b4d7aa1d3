import { expect, test } from '@jest/globals';
import { anEdge } from '../edge.fixture.js';
import type { Edge } from '../edge.js';
import type { ConditionView, PolicyView } from '../mesh-view.js';
import { callRows, policyRows, splitRows } from './call-rows.js';
import { troublesOf } from './call-troubles.js';
import { FIRST_STATE } from './page-state.js';

const edge = (service: string, more: Partial<Edge> = {}): Edge =>
  anEdge({ key: service, service, successRate: 1, ...more });

const edges = [
  edge('shop/fine', { perSecond: 50 }),
  edge('shop/idle', { perSecond: 0, successRate: undefined }),
  edge('shop/plain', { tls: 'none' }),
  edge('shop/failing', { successRate: 0.8 }),
  edge('shop/refused', { perSecond: 0, successRate: undefined, denied: 3, rules: ['shop/readers'] }),
];
const ONLY = { ...FIRST_STATE, onlyProblems: true };
const services = (state = FIRST_STATE): string[] => callRows(edges, state).map(({ service }) => service);

test('calls that fail come first, those that nobody makes last; another order is one of its columns', () => {
  expect(services()).toEqual(['shop/refused', 'shop/failing', 'shop/fine', 'shop/plain', 'shop/idle']);
  const calls = { column: 'rate', descending: true };
  expect(services({ ...FIRST_STATE, calls })[0]).toBe('shop/fine');
});

test('calls are found by their ends, transport and rules; problems are failures, refusals and plain text', () => {
  expect(services({ ...FIRST_STATE, search: 'plain text' })).toEqual(['shop/plain']);
  expect(services({ ...FIRST_STATE, search: 'sa/web readers' })).toEqual(['shop/refused']);
  expect(services(ONLY)).toEqual(['shop/refused', 'shop/failing', 'shop/plain']);
});

test('what is wrong with a call is said worst first, with the rule that refused', () => {
  const troubled = edge('shop/a', {
    perSecond: 10,
    successRate: 0.5,
    denied: 3,
    retries: 2,
    rules: ['shop/readers'],
  });
  expect(troublesOf(troubled).map(({ tone, text }) => [tone, text])).toEqual([
    ['bad', '5.0/s fail'],
    ['bad', '3 refused by shop/readers'],
    ['quiet', '2 sent again'],
  ]);
  expect(troublesOf(edge('shop/fine'))).toEqual([]);
});

test('parts of routes are narrowed as calls are', () => {
  const split = { destination: 'shop/reviews:8080', route: 'canary', perSecond: 1 };
  const splits = [
    { ...split, backend: 'v1', successRate: 1 },
    { ...split, backend: 'v2', successRate: 0.9 },
  ];
  const backends = (state = FIRST_STATE): string[] => splitRows(splits, state).map(({ backend }) => backend);
  expect(backends()).toEqual(['v1', 'v2']);
  expect(backends({ ...FIRST_STATE, search: 'canary v1' })).toEqual(['v1']);
  expect(backends(ONLY)).toEqual(['v2']);
});

test('policies that are not in force as written come first', () => {
  const policy = (name: string, ...statuses: string[]): PolicyView => ({
    namespace: 'shop',
    name,
    targets: [`Service ${name}`],
    routes: [],
    shares: [],
    conditions: statuses.map((status): ConditionView => ({
      type: 'Accepted',
      status,
      reason: '',
      message: '',
      outdated: false,
    })),
  });
  const policies = [policy('a', 'True'), policy('b', 'True', 'False'), policy('c')];
  const found = (state = FIRST_STATE): string[] => policyRows(policies, state).map(({ name }) => name);
  expect(found()).toEqual(['b', 'c', 'a']);
  expect(found(ONLY)).toEqual(['b', 'c']);
  expect(found({ ...FIRST_STATE, search: 'shop/a' })).toEqual(['a']);
});
