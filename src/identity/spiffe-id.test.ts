import { expect, test } from '@jest/globals';
import { formatSpiffeId, parseSpiffeId, spiffeIdOfSan } from './index.js';
import { RateLimit } from './rate-limit.js';

test('a name is read and written the same', () => {
  const uri = 'spiffe://cluster.local/ns/shop/sa/web.v2';
  expect(formatSpiffeId(parseSpiffeId(uri)!)).toBe(uri);
});

test.each([
  'spiffe://cluster.local/ns/shop/sa/web/',
  'spiffe://cluster.local/ns/shop/sa/',
  'spiffe://cluster.local/ns/shop/sa/a/b',
  'spiffe://cluster.local/ns//sa/web',
  'spiffe://Cluster.local/ns/shop/sa/web',
  'spiffe://user@cluster.local/ns/shop/sa/web',
  'spiffe://cluster.local:80/ns/shop/sa/web',
  'spiffe://cluster.local/ns/shop/sa/web?x',
  'spiffe://cluster.local/ns/shop/sa/%77eb',
  'spiffe://cluster.local/ns/shop/sa/web\n',
  'https://cluster.local/ns/shop/sa/web',
  '',
])('%j is no name', (uri) => expect(parseSpiffeId(uri)).toBeUndefined());

test('a certificate with more than one name, or another kind of name, has none of ours', () => {
  const uri = 'URI:spiffe://cluster.local/ns/shop/sa/web';
  expect(spiffeIdOfSan(uri)).toEqual({
    trustDomain: 'cluster.local',
    namespace: 'shop',
    serviceAccount: 'web',
  });
  for (const san of [`${uri}, ${uri}`, `DNS:a, ${uri}`, `${uri}, DNS:a`, 'DNS:a', undefined]) {
    expect(spiffeIdOfSan(san)).toBeUndefined();
  }
});

test('a bucket lets a burst through, refills with time, and knows keys apart', () => {
  const limit = new RateLimit({ burst: 3, everyMs: 100 });
  const take = (key: string, now: number) => limit.take(key, now);
  expect([0, 0, 0, 0].map((now) => take('a', now))).toEqual([true, true, true, false]);
  expect(take('b', 0)).toBe(true);
  expect([99, 100, 101].map((now) => take('a', now))).toEqual([false, true, false]);
  expect([10_000, 10_000, 10_000, 10_000].map((now) => take('a', now))).toEqual([true, true, true, false]);
});

test('buckets are forgotten when they are full again, and never grow past the limit', () => {
  const limit = new RateLimit({ burst: 1, everyMs: 1_000, maxKeys: 10 });
  for (let i = 0; i < 1_000; i++) limit.take(`k${i}`, 0);
  // The newest is still known, the oldest was given up.
  expect(limit.take('k999', 0)).toBe(false);
  expect(limit.take('k0', 0)).toBe(true);
});
