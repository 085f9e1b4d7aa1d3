import { expect, test } from '@jest/globals';
import type { RouteMatch } from '../words/policy.js';
import { routeOn } from './route-on.js';

const match = (fields: Partial<RouteMatch>): RouteMatch => ({ headers: [], ...fields });
const path = { kind: 'prefix', value: '/api' } as const;

test.each([
  ['no condition on the port leaves it as it is', [match({ path })], [match({ path })]],
  ['no match at all', [], []],
  ['a port that holds goes, the rest of the match stays', [match({ port: 80, path })], [match({ path })]],
  [
    'a port that does not hold takes its match along',
    [match({ port: 81 }), match({ path })],
    [match({ path })],
  ],
  ['a match of the port alone takes everything', [match({ port: 80 }), match({ path })], []],
])('%s', (_what, matches, expected) => {
  expect(routeOn({ name: 'r', matches, split: [] }, 80)).toEqual([
    { name: 'r', matches: expected, split: [] },
  ]);
});

test('a route whose every match asks for another port is gone', () => {
  expect(routeOn({ name: 'r', matches: [match({ port: 81 })], split: [] }, 80)).toEqual([]);
});
