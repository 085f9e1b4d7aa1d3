import { expect, test } from '@jest/globals';
import type { CustomObject } from '../kube/index.js';
import { toPolicyView } from './policy-list.js';
import { withWanted } from './wanted.js';

function policy(spec: object): ReturnType<typeof toPolicyView> {
  const metadata = { namespace: 'shop', name: 'reviews', generation: 1 };
  return toPolicyView({ metadata, spec, conditions: [] } as unknown as CustomObject);
}

const split = (backend: string, route = 'canary') => ({
  destination: 'shop/reviews:8080',
  route,
  backend,
  perSecond: 1,
});
const targetRefs = [{ kind: 'Service', name: 'reviews', port: 8080 }];

test('the share that arrived stands beside the one that the route of the policy asks for', () => {
  const canary = policy({
    targetRefs,
    routes: [
      { name: 'testers', split: [{ labels: { version: 'v2' } }] },
      {
        name: 'canary',
        split: [
          { labels: { version: 'v1', app: 'reviews' }, weight: 90 },
          { service: { name: 'next' }, weight: 10 },
        ],
      },
    ],
  });
  const wanted = withWanted(
    [
      split('shop/reviews:8080{app=reviews,version=v1}'),
      split('shop/next:8080'),
      split('shop/next:8080{version=v9}'),
      split('shop/reviews:8080{version=v2}', 'testers'),
    ],
    [canary],
  );
  expect(wanted.map((one) => one.wanted)).toEqual([0.9, 0.1, undefined, undefined]);
});

test('a policy about another Service asks for nothing here, and weights of nothing are none', () => {
  const routes = [{ name: 'canary', split: [{ service: { name: 'next' } }, { service: { name: 'old' } }] }];
  const other = policy({ targetRefs: [{ kind: 'Service', name: 'other' }], routes });
  const none = policy({
    targetRefs,
    routes: [
      {
        name: 'canary',
        split: [
          { service: { name: 'next' }, weight: 0 },
          { service: { name: 'old' }, weight: 0 },
        ],
      },
    ],
  });
  expect(withWanted([split('shop/next:8080')], [other, none])[0]?.wanted).toBeUndefined();
  const even = policy({ targetRefs, routes });
  expect(withWanted([split('shop/next:8080')], [even])[0]?.wanted).toBe(0.5);
});
