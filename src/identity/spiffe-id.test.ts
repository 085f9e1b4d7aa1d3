import { expect, test } from '@jest/globals';
import { formatSpiffeId, parseSpiffeId, spiffeIdOfSan } from './index.js';

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
