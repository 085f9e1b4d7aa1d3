import { expect, test } from '@jest/globals';
import type { Clock } from '../base/index.js';
import type { EdgeName } from './edge.js';
import { Counted, LATENCY_FROM } from './measures.js';
import { TrafficStore, type EdgeWindow } from './traffic-store.js';

class Time implements Clock {
  at = 1_000_000;
  now = (): number => this.at;
  monotonic = (): number => this.at;
}

function name(service: string, workload = 'web'): EdgeName {
  return {
    reporter: {
      namespace: 'shop',
      kind: 'Deployment',
      name: workload,
      identity: `spiffe://td/ns/shop/sa/${workload}`,
    },
    direction: 'outbound',
    service,
    port: '80',
    backend: '',
    route: '',
    peer: '',
    tls: 'mutual',
    rule: '',
  };
}

const okOf = (edges: readonly EdgeWindow[]): number =>
  edges.reduce((sum, { counts }) => sum + (counts?.[Counted.ok] ?? 0), 0);

test('what happened is in the windows that reach it, and in none after half an hour', () => {
  const time = new Time();
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  const edge = store.edge(name('shop/reviews'));
  store.add(edge, 0, [Counted.ok, 5]);
  store.add(edge, 0, [LATENCY_FROM + 14, 5]);
  for (const window of [10_000, 60_000, 300_000, 1_800_000]) expect(okOf(store.window(window).edges)).toBe(5);
  expect(store.window(10_000).edges[0]?.latencies?.[14]).toBe(5);
  time.at += 30_000;
  expect(store.window(10_000).edges).toEqual([]);
  expect(okOf(store.window(60_000).edges)).toBe(5);
  time.at += 400_000;
  store.sweep();
  expect(store.window(300_000).edges).toEqual([]);
  expect(okOf(store.window(1_800_000).edges)).toBe(5);
  time.at += 2_000_000;
  expect(store.window(1_800_000).edges).toEqual([]);
  store.sweep();
  expect([store.size, store.bytes]).toEqual([0, 0]);
});

test('numbers are spread over the time that they cover, none is lost, and the window says how far it reaches', () => {
  const time = new Time();
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  time.at += 3_600_000;
  store.add(store.edge(name('shop/reviews')), 40_000, [Counted.ok, 103]);
  expect(okOf(store.window(1_800_000).edges)).toBe(103);
  expect(okOf(store.window(60_000).edges)).toBe(103);
  const { coversMs, edges } = store.window(10_000);
  expect(coversMs).toBeGreaterThanOrEqual(10_000);
  expect(coversMs).toBeLessThan(12_000);
  expect(okOf(edges) / (coversMs / 1000)).toBeCloseTo(103 / 40, 0);
});

test('what a proxy counted before the replica began is not taken for what happened since', () => {
  const time = new Time();
  time.at = 500;
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  time.at = 9_000;
  store.add(store.edge(name('shop/reviews')), 600_000, [Counted.ok, 60_000]);
  const { edges, coversMs } = store.window(60_000);
  expect(coversMs).toBe(8_500);
  // 100 a second, for ten minutes.
  expect(okOf(edges) / 10).toBeCloseTo(100, -1);
});

test('a replica that has just begun says so', () => {
  const time = new Time();
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  time.at += 7_000;
  expect(store.window(1_800_000).coversMs).toBe(7_000);
});

test('whoever makes edges up loses his own, the quietest first, and nobody else one', () => {
  const time = new Time();
  let evicted = 0;
  const store = new TrafficStore({ clock: time, maxBytes: 300_000, evicted: () => (evicted += 1) });
  const honest = Array.from({ length: 10 }, (_, i) => store.edge(name(`shop/real-${i}`)));
  for (const edge of honest) store.add(edge, 0, [Counted.ok, 1]);
  time.at += 60_000;
  const kept = store.edge(name('shop/made-up', 'mallory'));
  for (let i = 0; i < 2_000; i++) {
    time.at += 1;
    store.add(store.edge(name(`shop/made-up-${i}`, 'mallory')), 0, [Counted.ok, 1]);
    if (i % 20 === 0) store.add(kept, 0, [Counted.ok, 1]);
    expect(store.bytes).toBeLessThanOrEqual(300_000);
  }
  expect(honest.some((edge) => edge.evicted)).toBe(false);
  expect(evicted).toBeGreaterThan(1_800);
  expect(okOf(store.window(300_000, 'shop').edges.filter((edge) => edge.reporter.name === 'web'))).toBe(10);
});

test('a namespace sees what concerns it: its workloads, its Services and its callers', () => {
  const store = new TrafficStore({ clock: new Time(), maxBytes: 1e6 });
  const away = (of: Partial<EdgeName>): EdgeName => ({
    ...name('away/x'),
    reporter: { namespace: 'away', kind: 'Pod', name: 'x', identity: 'spiffe://td/ns/away/sa/x' },
    ...of,
  });
  for (const of of [
    name('away/x'),
    away({ service: 'shop/web' }),
    away({ peer: 'spiffe://td/ns/shop/sa/web' }),
    away({}),
  ])
    store.add(store.edge(of), 0, [Counted.ok, 1]);
  expect(store.window(60_000, 'shop').edges).toHaveLength(3);
  expect(store.window(60_000).edges).toHaveLength(4);
});

test('sums that would overflow stay at the largest number', () => {
  const store = new TrafficStore({ clock: new Time(), maxBytes: 1e6 });
  const edge = store.edge(name('shop/reviews'));
  for (let i = 0; i < 3; i++) store.add(edge, 0, [Counted.ok, 4e9]);
  expect(okOf(store.window(60_000).edges)).toBe(2 ** 32 - 1);
});

test('each minute is told by itself, only when it is over, and half an hour of them', () => {
  const time = new Time();
  time.at = 3_600_000;
  const store = new TrafficStore({ clock: time, maxBytes: 1e6 });
  const edge = store.edge(name('shop/reviews'));
  const minutes = (): readonly number[] => store.history(30).edges[0]?.columns[0]?.minutes ?? [];
  store.add(edge, 0, [Counted.serverError, 5]);
  expect(store.history(30)).toMatchObject({ endedMs: 0, coversMs: 0, edges: [] });
  time.at += 70_000;
  store.add(edge, 0, [Counted.serverError, 7]);
  expect(store.history(30)).toMatchObject({
    endedMs: 10_000,
    coversMs: 70_000,
    edges: [{ service: 'shop/reviews', columns: [{ place: Counted.serverError }] }],
  });
  expect(minutes()).toEqual([...new Array<number>(29).fill(0), 5]);
  time.at += 60_000;
  expect(minutes().slice(27)).toEqual([0, 5, 7]);
  time.at += 28 * 60_000;
  expect(minutes()[0]).toBe(5);
  time.at += 60_000;
  expect(minutes()[0]).toBe(7);
  time.at += 60_000;
  expect(store.history(30).edges).toEqual([]);
  expect(store.history(30, 'other').edges).toEqual([]);
});
