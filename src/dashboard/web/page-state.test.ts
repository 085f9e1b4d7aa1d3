import { expect, test } from '@jest/globals';
import { FIRST_STATE, readState, withFold, writeState, type PageState } from './page-state.js';

test('an address says all that differs from the first look, and nothing else', () => {
  expect(writeState(FIRST_STATE)).toBe('');
  const chosen: PageState = {
    search: 'web & "reviews" é',
    onlyProblems: true,
    tab: 'workloads',
    namespace: 'shop',
    edge: 'spiffe://a/ns/b/sa/c d/e',
    tap: {
      workload: 'Deployment/web',
      side: 'caller',
      from: 'shop/web',
      to: 'reviews',
      status: '5xx',
      verdict: 'denied',
    },
    workloads: { column: 'workload', descending: true },
    calls: { column: 'p99', descending: false },
    allCalls: true,
    opened: ['shop', 'team-1'],
    closed: ['other'],
    unfolded: ['shop/deployment/web'],
  };
  expect(readState(writeState(chosen))).toEqual(chosen);
  expect(writeState({ ...FIRST_STATE, calls: { column: 'rate', descending: true } })).toBe('?calls=-rate');
});

test.each([
  '',
  '?',
  '?workloads=--&calls=%00&only=&show=x',
  '?workloads=<script>',
  '?view=nothing',
  '?side=both&verdict=guilty',
  '?unknown=1',
])('what an address cannot mean counts as not said: %j', (query) => {
  expect(readState(query)).toEqual(FIRST_STATE);
});

test('a namespace is unfolded or folded by hand, the last word counts', () => {
  const open = withFold(withFold(FIRST_STATE, 'a', true), 'b', true);
  expect([open.opened, open.closed]).toEqual([['a', 'b'], []]);
  const folded = withFold(open, 'a', false);
  expect([folded.opened, folded.closed]).toEqual([['b'], ['a']]);
  expect(withFold(folded, 'a', true)).toMatchObject({ opened: ['b', 'a'], closed: [] });
});
