import { expect, test } from '@jest/globals';
import type { Edge } from './edge.js';
import { anEdge } from './edge.fixture.js';
import { quietEdge } from './edge.js';
import { graphOf } from './graph.js';

function edge(caller: string, service: string, ...servers: string[]): Edge {
  const id = (account: string): string =>
    account === '' ? '' : `spiffe://cluster.local/ns/shop/sa/${account}`;
  return anEdge({
    key: `${caller} ${service}`,
    caller: id(caller),
    service: service === '' ? '' : `shop/${service}`,
    servers: servers.map(id),
  });
}

test('a call that went quiet is still known by its key, and nothing else is taken for one', () => {
  expect(quietEdge('spiffe://a/ns/b/sa/c shop/reviews')).toMatchObject({
    caller: 'spiffe://a/ns/b/sa/c',
    service: 'shop/reviews',
    perSecond: 0,
  });
  expect(quietEdge(' shop/reviews')).toMatchObject({ caller: '' });
  for (const no of ['', 'x', 'a b c/d', 'a b']) expect(quietEdge(no)).toBeUndefined();
});

function drawn(...edges: Edge[]): string[] {
  return graphOf(edges).links.map(({ from, to }) => `${from} > ${to}`);
}

test('a service and the account that is its alone are one box, so that calls chain up', () => {
  expect(drawn(edge('shopper', 'web', 'web'), edge('web', 'reviews', 'reviews'))).toEqual([
    'caller:spiffe://cluster.local/ns/shop/sa/shopper > service:shop/web',
    'service:shop/web > service:shop/reviews',
  ]);
});

test('services that share an account keep their boxes, the account as a caller has its own', () => {
  expect(drawn(edge('default', 'web', 'default'), edge('default', 'reviews', 'default'))).toEqual([
    'caller:spiffe://cluster.local/ns/shop/sa/default > service:shop/web',
    'caller:spiffe://cluster.local/ns/shop/sa/default > service:shop/reviews',
  ]);
});

test("a service with two accounts behind it is nobody's own", () => {
  expect(drawn(edge('a', 'web', 'blue', 'green'), edge('blue', 'db', 'db'))).toEqual([
    'caller:spiffe://cluster.local/ns/shop/sa/a > service:shop/web',
    'caller:spiffe://cluster.local/ns/shop/sa/blue > service:shop/db',
  ]);
});

test('callers without an identity share one box', () => {
  const graph = graphOf([edge('', 'web', 'web'), edge('', 'reviews', 'reviews')]);
  expect(graph.nodes.filter((node) => node.kind === 'outside')).toHaveLength(1);
});

test('a port without a Service is drawn as the identity behind it', () => {
  expect(drawn(edge('a', '', 'b'))).toEqual([
    'caller:spiffe://cluster.local/ns/shop/sa/a > caller:spiffe://cluster.local/ns/shop/sa/b',
  ]);
});
