import { expect, test } from '@jest/globals';
import { toPolicy } from './to-policy.js';

const read = (rateLimit: readonly object[]): ReturnType<typeof toPolicy> =>
  toPolicy({
    apiVersion: 'weft.dev/v1alpha1',
    kind: 'TrafficPolicy',
    metadata: { namespace: 'shop', name: 'limits' },
    spec: { targetRefs: [{ kind: 'Service', name: 'reviews' }], rateLimit },
  });

test('names of headers are in lower case, and a cost that is only told by responses is one at first', () => {
  const match = [{ method: 'POST', headers: [{ name: 'X-App', exact: 'Web' }] }];
  const { policy, problems } = read([
    { requests: 9, per: '1m', match, cost: { responseHeader: 'X-Tokens' } },
    { requests: 9, per: '1m', cost: { amount: 3 } },
  ]);
  expect(problems).toEqual([]);
  const app = { name: 'x-app', condition: { kind: 'exact', value: 'Web' }, invert: false };
  expect(policy?.rateLimits).toMatchObject([
    {
      name: 'limit-0',
      matches: [{ method: 'POST', headers: [app] }],
      cost: { amount: 1, header: 'x-tokens' },
    },
    { name: 'limit-1', cost: { amount: 3 } },
  ]);
});

test('expressions of limits count with those of routes', () => {
  const expressions = Array.from({ length: 8 }, (_, index) => ({ path: { regex: `/${index}` } }));
  const limits = (count: number): object[] =>
    Array.from({ length: count }, () => ({ requests: 1, per: '1s', match: expressions }));
  expect(read(limits(8)).problems).toEqual([]);
  expect(read(limits(9)).problems).toMatchObject([{ condition: 'Accepted', reason: 'TooLarge' }]);
});
