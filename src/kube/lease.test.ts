import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { createLogger, sleep, systemClock } from '../base/index.js';
import { ApiServer, untilPasses } from '../testing/index.js';
import { connectPlain, type KubeClient } from './client.js';
import { LeaseElection } from './lease.js';

const LEASES = '/apis/coordination.k8s.io/v1/leases';
const log = createLogger({ level: 'silent' });
const timing = { durationMs: 1_000, renewDeadlineMs: 400, retryMs: 30 };

let server: ApiServer;
let clients: KubeClient[];
let abort: AbortController;

beforeEach(async () => {
  server = await ApiServer.start();
  clients = [];
  abort = new AbortController();
});

afterEach(async () => {
  abort.abort();
  for (const client of clients) client.close();
  await server.stop();
});

function candidate(
  identity: string,
  isGone?: (holder: string) => Promise<boolean>,
  clock = systemClock,
): LeaseElection {
  const client = connectPlain(server.url);
  clients.push(client);
  return new LeaseElection({
    client,
    namespace: 'weft-system',
    name: 'weft-default',
    identity,
    log,
    timing,
    clock,
    ...(isGone === undefined ? {} : { isGone }),
  });
}

const untilAborted = (signal: AbortSignal): Promise<void> => sleep(60_000, signal).catch(() => undefined);

function holder(): unknown {
  const lease = server.get(LEASES, { namespace: 'weft-system', name: 'weft-default' });
  return (lease?.spec as { holderIdentity?: string } | undefined)?.holderIdentity;
}

test('one of two leads, and the other takes over at once when it ends', async () => {
  const first = candidate('one');
  const second = candidate('two');
  const stopFirst = new AbortController();
  const ended = first.run(untilAborted, stopFirst.signal);
  await untilPasses(() => expect(first.leading).toBe(true));
  const other = second.run(untilAborted, abort.signal);
  await delay(150);
  expect(second.leading).toBe(false);
  stopFirst.abort();
  await ended;
  expect(first.leading).toBe(false);
  const began = performance.now();
  await untilPasses(() => expect(second.leading).toBe(true));
  expect(performance.now() - began).toBeLessThan(timing.durationMs / 2);
  expect(holder()).toBe('two');
  abort.abort();
  await other;
  expect(holder()).toBe('');
});

test('a leader that cannot renew stops its work before anybody else may start', async () => {
  const first = candidate('one');
  let stoppedAt = 0;
  const work = async (signal: AbortSignal): Promise<void> => {
    await untilAborted(signal);
    stoppedAt = performance.now();
  };
  const ended = first.run(work, abort.signal);
  await untilPasses(() => expect(first.leading).toBe(true));
  server.failNext(...Array.from({ length: 1_000 }, () => 503));
  const began = performance.now();
  await untilPasses(() => expect(stoppedAt).toBeGreaterThan(0));
  expect(stoppedAt - began).toBeLessThan(timing.durationMs);
  abort.abort();
  await ended;
});

test('the time to renew counts from when the write that took the lease was sent, not from its slow answer', async () => {
  let now = 1_000;
  const clock = { now: () => now, monotonic: () => now };
  const first = candidate('one', undefined, clock);
  server.beforeWrite = () => (now += timing.renewDeadlineMs - 50);
  const ended = first.run(untilAborted, abort.signal);
  await untilPasses(() => expect(first.leading).toBe(true));
  server.failNext(...Array.from({ length: 1_000 }, () => 503));
  // 60 ms after the answer, the deadline has passed since the write was sent.
  now += 60;
  await untilPasses(() => expect(first.leading).toBe(false));
  abort.abort();
  await ended;
});

test('a leader that was frozen for longer than the deadline holds nothing the moment it wakes, before any timer fires', async () => {
  let now = 1_000;
  const first = candidate('one', undefined, { now: () => now, monotonic: () => now });
  expect(first.holds).toBe(false);
  const ended = first.run(untilAborted, abort.signal);
  await untilPasses(() => expect(first.holds).toBe(true));
  now += timing.renewDeadlineMs;
  expect([first.leading, first.holds]).toEqual([true, false]);
  abort.abort();
  await ended;
});

test('a leader that stopped without a word is replaced after the duration, by our own clock', async () => {
  // Its clock is a day ahead, which must not matter.
  server.put(LEASES, {
    metadata: { name: 'weft-default', namespace: 'weft-system' },
    spec: {
      holderIdentity: 'gone',
      leaseDurationSeconds: 1,
      renewTime: new Date(Date.now() + 86_400_000).toISOString(),
    },
  });
  const second = candidate('two');
  const began = performance.now();
  const ended = second.run(untilAborted, abort.signal);
  await untilPasses(() => expect(second.leading).toBe(true));
  expect(performance.now() - began).toBeGreaterThan(900);
  abort.abort();
  await ended;
});

test('work that throws takes the election, and with it the process, down', async () => {
  const first = candidate('one');
  await expect(
    first.run(() => Promise.reject(new Error('a part of the leader broke')), abort.signal),
  ).rejects.toThrow(/broke/);
  expect(first.leading).toBe(false);
});

test('work that ends while the lease is held is an error too', async () => {
  await expect(candidate('one').run(() => Promise.resolve(), abort.signal)).rejects.toThrow(/ended although/);
});

test('the lease of a holder whose pod is deleted is taken long before its duration', async () => {
  const spec = { holderIdentity: 'deleted', leaseDurationSeconds: 600 };
  server.put(LEASES, { metadata: { name: 'weft-default', namespace: 'weft-system' }, spec });
  const second = candidate('two', (holder) => Promise.resolve(holder === 'deleted'));
  const ended = second.run(untilAborted, abort.signal);
  await untilPasses(() => expect(second.leading).toBe(true));
  abort.abort();
  await ended;
});

test('work that does not end when the lease is lost is an error, because it would go on beside the next', async () => {
  const first = candidate('one');
  const ended = first.run(() => new Promise<void>(() => undefined), abort.signal);
  await untilPasses(() => expect(first.leading).toBe(true));
  abort.abort();
  await expect(ended).rejects.toThrow(/did not end when the lease was lost/);
});
