import { expect, test } from '@jest/globals';
import { edgesOf, isLive, splitDestination, type Edge } from './edges.js';
import type { Interval } from './increase.js';
import { parsePrometheus } from './prometheus.js';
import { scrape, shopIdentity, shopScrapes } from './shop.fixture.js';

const SECONDS = 10;
type Flow = Parameters<typeof scrape>[0];

function interval(account: string, after: string, before = '', seconds = SECONDS): Interval {
  return {
    identity: shopIdentity(account),
    seconds,
    before: parsePrometheus(before),
    after: parsePrometheus(after),
  };
}

function shop(): Interval[] {
  const [before, after] = [shopScrapes(100), shopScrapes(100 + SECONDS)];
  return Object.keys(after).map((pod) => interval(pod.split('-')[0]!, after[pod]!, before[pod]));
}

function only(edges: readonly Edge[]): Edge {
  expect(edges).toHaveLength(1);
  return edges[0]!;
}

const inbound: Flow = {
  direction: 'inbound',
  destination: 'shop/web:8080',
  peer: shopIdentity('a'),
  codes: { 200: 10 },
};
const outbound: Flow = {
  ...inbound,
  direction: 'outbound',
  backend: 'shop/web:8080',
  peer: shopIdentity('web'),
};

test('both accounts of a call are one edge, told by the caller', () => {
  const edges = edgesOf(shop());
  expect(edges.map((e) => `${e.caller.split('/').at(-1)!}>${e.service} ${e.tls}`)).toEqual([
    '>shop/catalog none',
    'web>shop/catalog mutual',
    'web>shop/reviews mutual',
    'shopper>shop/web mutual',
  ]);
  const reviews = edges[2]!;
  expect(reviews).toMatchObject({
    seenBy: 'caller',
    perSecond: 40,
    ports: ['8080'],
    servers: [shopIdentity('reviews')],
  });
  expect(reviews.successRate).toBeCloseTo(0.99, 2);
  expect(reviews.failures).toEqual([{ code: '503', perSecond: expect.closeTo(0.4) }]);
  expect(reviews.p99Ms).toBeGreaterThan(5);
});

test('a caller without a proxy is told by the receiver, with the latency of all its callers', () => {
  const plain = edgesOf(shop())[0]!;
  expect(plain).toMatchObject({ caller: '', seenBy: 'receiver', perSecond: 2, successRate: 1 });
  expect(plain.p50Ms).toBeGreaterThan(0);
});

test('pods of one service account add up', () => {
  const edge = only(edgesOf([interval('web', scrape(inbound)), interval('web', scrape(inbound))]));
  expect(edge.perSecond).toBe(2);
});

test('caller and receiver are one edge also where the Service maps its port to another of the pod', () => {
  const receiver = scrape({ ...inbound, destination: 'shop/web:3000' });
  const edge = only(edgesOf([interval('a', scrape(outbound)), interval('web', receiver)]));
  expect(edge).toMatchObject({ perSecond: 1, ports: ['8080'], tls: 'mutual' });
});

test('a proxy that started anew counts from zero, not below', () => {
  const edge = only(
    edgesOf([interval('web', scrape(inbound), scrape({ ...inbound, codes: { 200: 1000 } }))]),
  );
  expect(edge.perSecond).toBe(1);
});

test('after one scrape an edge is known, and nothing is said about its speed', () => {
  const edge = only(edgesOf([interval('web', scrape(inbound), '', 0)]));
  expect(edge).toMatchObject({ perSecond: 0, tls: 'mutual' });
  expect(edge.successRate).toBeUndefined();
  expect(edge.p50Ms).toBeUndefined();
});

test('some calls in the clear make the edge mixed; when they have stopped it is mutual again', () => {
  const plain: Flow = { ...outbound, tls: 'none', peer: '' };
  const was = scrape(outbound, plain);
  expect(only(edgesOf([interval('a', was)])).tls).toBe('mixed');
  const grown: Flow = { ...outbound, codes: { 200: 20 } };
  expect(only(edgesOf([interval('a', scrape(grown, plain), was)])).tls).toBe('mutual');
});

test('a refusal that reached nobody fails the request and says nothing about TLS', () => {
  const refused: Flow = { ...outbound, tls: 'none', peer: '', codes: { 503: 10 } };
  expect(only(edgesOf([interval('a', scrape(refused))]))).toMatchObject({ tls: 'unknown', successRate: 0 });
  expect(only(edgesOf([interval('a', scrape(refused, outbound))]))).toMatchObject({
    tls: 'mutual',
    successRate: 0.5,
  });
});

test('TLS to a server outside the mesh is no plain text', () => {
  const edge = only(edgesOf([interval('a', scrape({ ...outbound, tls: 'backend', peer: '' }))]));
  expect(edge).toMatchObject({ tls: 'backend' });
});

test("a caller who left is nobody's failure", () => {
  const edge = only(edgesOf([interval('web', scrape({ ...inbound, codes: { 200: 5, 499: 5 } }))]));
  expect(edge).toMatchObject({ perSecond: 1, successRate: 1, failures: [] });
});

test('gRPC fails by its own status', () => {
  const text = scrape(inbound).replaceAll('grpc_status=""', 'grpc_status="14"');
  expect(only(edgesOf([interval('web', text)]))).toMatchObject({
    successRate: 0,
    failures: [{ code: 'grpc 14' }],
  });
});

test('a route to another Service ends there', () => {
  const elsewhere: Flow = { ...outbound, backend: 'shop/web-next:8080' };
  expect(only(edgesOf([interval('a', scrape(elsewhere))])).service).toBe('shop/web-next');
});

test('opaque connections are edges with connections and bytes', () => {
  const labels = `{direction="inbound",destination="shop/db:5432",peer="${shopIdentity('a')}",tls="mutual"}`;
  const text = ['connections_total', 'connections_open', 'sent_bytes_total', 'received_bytes_total']
    .map((name, index) => `weft_tcp_${name}${labels} ${[20, 3, 500, 1500][index]!}`)
    .join('\n');
  expect(only(edgesOf([interval('db', text)]))).toMatchObject({
    protocol: 'tcp',
    tls: 'mutual',
    perSecond: 2,
    openConnections: 3,
    bytesPerSecond: 200,
  });
});

test.each([
  ['shop/reviews:8080{version=v1}', 'shop/reviews', '8080'],
  ['shop/reviews:http', 'shop/reviews', 'http'],
  ['shop/reviews', 'shop/reviews', ''],
  ['', '', ''],
  [':8080', '', ''],
])('a destination is taken apart: %s', (destination, service, port) => {
  expect(splitDestination(destination)).toEqual({ service, port });
});

test('an edge is live while something goes over it or a connection is open', () => {
  const [idle] = edgesOf([interval('web', scrape(inbound), scrape(inbound))]);
  expect(isLive(idle!)).toBe(false);
  expect(isLive({ ...idle!, perSecond: 0.1 })).toBe(true);
  expect(isLive({ ...idle!, protocol: 'tcp', openConnections: 1 })).toBe(true);
});
