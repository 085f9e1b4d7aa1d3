import { expect, test } from '@jest/globals';
import type { Interval } from './increase.js';
import { parsePrometheus } from './prometheus.js';
import { scrape, shopIdentity, shopScrapes } from './shop.fixture.js';
import { splitsOf } from './splits.js';

type Flow = Parameters<typeof scrape>[0];

const reviews: Flow = {
  direction: 'outbound',
  destination: 'shop/reviews:8080',
  peer: shopIdentity('reviews'),
  codes: { 200: 10 },
};

function interval(after: string, before = ''): Interval {
  return {
    identity: shopIdentity('web'),
    seconds: 10,
    before: parsePrometheus(before),
    after: parsePrometheus(after),
  };
}

function told(...flows: Flow[]): [string, string, string | undefined][] {
  return splitsOf([interval(scrape(...flows))]).map(({ route, backend, share }) => [
    route,
    backend,
    share?.toFixed(2),
  ]);
}

test('shares are told where a route divided requests, and not where they all go to what was dialled', () => {
  const splits = splitsOf([interval(shopScrapes(110).web ?? '', shopScrapes(100).web)]);
  expect(splits.map(({ backend, share, route }) => [backend, share?.toFixed(2), route])).toEqual([
    ['shop/reviews:8080{version=v1}', '0.90', 'canary'],
    ['shop/reviews:8080{version=v2}', '0.10', 'canary'],
  ]);
  expect(splits[1]?.p99Ms).toBeGreaterThan(splits[0]?.p99Ms ?? Infinity);
});

test('each route counts for itself: testers do not change what the canary gets', () => {
  const [v1, v2] = ['shop/reviews:8080{version=v1}', 'shop/reviews:8080{version=v2}'];
  expect(
    told(
      { ...reviews, route: 'testers', backend: v2, codes: { 200: 500 } },
      { ...reviews, route: 'canary', backend: v1, codes: { 200: 90 } },
      { ...reviews, route: 'canary', backend: v2, codes: { 200: 10 } },
    ),
  ).toEqual([
    ['canary', v1, '0.90'],
    ['canary', v2, '0.10'],
    ['testers', v2, '1.00'],
  ]);
});

test('callers of one destination add up', () => {
  const flow = scrape({ ...reviews, route: 'next', backend: 'shop/reviews-next:8080' });
  expect(splitsOf([interval(flow), interval(flow)])).toMatchObject([{ perSecond: 2, share: 1 }]);
});

test("a refusal for want of a backend is nobody's share", () => {
  expect(told({ ...reviews, route: 'canary', backend: '', codes: { 503: 5 } })).toEqual([]);
});
