import { expect, test } from '@jest/globals';
import type { ChangeView } from './changes-view.js';
import { anEdge } from './edge.fixture.js';
import type { Edge } from './edge.js';
import type { PolicyView } from './mesh-view.js';
import { suspectsOf, troubleSince, type Surroundings } from './suspects.js';

const END = '2026-01-01T12:00:00.000Z';
const edge = anEdge({
  key: 'k',
  caller: 'spiffe://cluster.local/ns/front/sa/web',
  servers: ['spiffe://cluster.local/ns/shop/sa/reviews'],
  ports: [],
});
const policy = (name: string, ...targets: string[]): PolicyView => ({
  namespace: 'shop',
  name,
  targets,
  routes: [],
  shares: [],
  conditions: [],
});
const around: Surroundings = {
  edge,
  policies: [policy('reviews', 'Service reviews:8080'), policy('other', 'Service other')],
  deployments: ['shop/reviews-v2'],
};
const change = (at: string, more: Partial<ChangeView> = {}): ChangeView => ({
  kind: 'TrafficPolicy',
  namespace: 'shop',
  name: 'reviews',
  generation: 2,
  at: `2026-01-01T${at}.000Z`,
  who: 'kubectl-edit',
  how: 'changed',
  ...more,
});
const minutes = (...values: number[]): number[] => [
  ...new Array<number>(30 - values.length).fill(0),
  ...values,
];
const trace = (...failing: number[]) => ({
  rates: new Array<number>(30).fill(10),
  failing: minutes(...failing),
});

test('trouble began with the first minute of those that fail up to now', () => {
  const at = (time: string): number => Date.parse(`2026-01-01T${time}Z`);
  expect(troubleSince(trace(2, 3, 3), END)).toBe(at('11:57:00'));
  expect(troubleSince(trace(2, 0, 3), END)).toBe(at('11:57:00'));
  expect(troubleSince(trace(2, 0, 0, 3), END)).toBe(at('11:59:00'));
  expect(troubleSince(trace(2, 3, 0), END)).toBe(at('11:57:00'));
  expect(troubleSince(trace(2, 3, 0, 0), END)).toBeUndefined();
  expect(troubleSince(trace(0.05), END)).toBeUndefined();
  expect(troubleSince(undefined, END)).toBeUndefined();
});

test('the nearest change shortly before the trouble is suspected, and no later one', () => {
  const since = Date.parse('2026-01-01T11:50:00Z');
  const changes = [
    change('11:55:00'),
    change('11:50:30', { name: 'other', who: 'helm' }),
    change('11:49:00'),
    change('11:30:00', { kind: 'Service' }),
    change('11:49:30', { namespace: 'elsewhere' }),
  ];
  const told = suspectsOf(changes, around, since).map(({ at, near, suspected }) => [
    at.slice(11, 19),
    near,
    suspected,
  ]);
  expect(told).toEqual([
    ['11:55:00', true, false],
    ['11:50:30', false, false],
    ['11:49:00', true, true],
    ['11:30:00', true, false],
  ]);
});

test('where nothing near was changed the last of the namespace is suspected, and without trouble nothing is', () => {
  const changes = [
    change('11:49:00', { name: 'other' }),
    change('11:48:00', { kind: 'MeshConfig', namespace: '' }),
  ];
  const since = Date.parse('2026-01-01T11:50:00Z');
  const suspected = (from: number | undefined): boolean[] =>
    suspectsOf(changes, around, from).map((one) => one.suspected);
  expect(suspected(since)).toEqual([true, false]);
  expect(suspected(undefined)).toEqual([false, false]);
});

test('a rollout of what serves is near, and so is the rule that refuses', () => {
  const near = (what: Partial<ChangeView>, of: Partial<Edge> = {}): boolean | undefined =>
    suspectsOf([change('11:49:00', what)], { ...around, edge: { ...edge, ...of } }, undefined)[0]?.near;
  expect(near({ kind: 'Deployment', name: 'reviews-v2' })).toBe(true);
  expect(near({ kind: 'Deployment', name: 'catalog' })).toBe(false);
  expect(near({ kind: 'MeshRoleBinding', name: 'readers' })).toBe(false);
  expect(near({ kind: 'MeshRoleBinding', name: 'readers' }, { rules: ['shop/readers'] })).toBe(true);
  expect(near({ kind: 'MeshRoleBinding', name: 'gone', how: 'gone' }, { denied: 3 })).toBe(true);
});
