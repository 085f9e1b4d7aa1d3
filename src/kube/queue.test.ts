import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { MeshError, Metrics, createLogger } from '../base/index.js';
import { untilPasses } from '../testing/index.js';
import { WorkQueue, createQueueMetrics, terminalOn, type QueueOptions } from './queue.js';

const log = createLogger({ level: 'silent' });

function queue(reconcile: QueueOptions['reconcile'], concurrency = 4): WorkQueue {
  return new WorkQueue({ name: 'test', log, reconcile, concurrency, backoff: { baseMs: 4, capMs: 8 } });
}

test('a key added many times while it waits is worked on once', async () => {
  const seen: string[] = [];
  const work = queue((key) => Promise.resolve(void seen.push(key)));
  for (let i = 0; i < 10; i++) work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect(seen).toEqual(['a']);
});

test('a key added while it is worked on runs again afterwards, never beside itself', async () => {
  let inFlight = 0;
  let most = 0;
  let runs = 0;
  const work = queue(async (key) => {
    most = Math.max(most, ++inFlight);
    if (++runs === 1) work.add(key);
    await delay(5);
    inFlight -= 1;
    return undefined;
  });
  work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect({ most, runs }).toEqual({ most: 1, runs: 2 });
});

test('different keys run side by side up to the limit', async () => {
  let inFlight = 0;
  let most = 0;
  const work = queue(async () => {
    most = Math.max(most, ++inFlight);
    await delay(5);
    inFlight -= 1;
    return undefined;
  }, 2);
  for (const key of ['a', 'b', 'c', 'd']) work.add(key);
  await untilPasses(() => expect(work.size).toBe(0));
  expect(most).toBe(2);
});

test('a failure is tried again until it works', async () => {
  let runs = 0;
  const work = queue(() =>
    ++runs < 4 ? Promise.reject(new MeshError('unavailable', 'not yet')) : Promise.resolve(undefined),
  );
  work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect(runs).toBe(4);
});

test('only what the reconciler calls terminal is not tried again; an HTTP code alone decides nothing', async () => {
  let runs = 0;
  const work = queue(() => {
    runs += 1;
    const error = Promise.reject(new MeshError(runs < 3 ? 'not-found' : 'invalid', 'never'));
    return terminalOn(['invalid'], error);
  });
  work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect(runs).toBe(3);
});

test('a key that was given up is worked on again once something adds it', async () => {
  let runs = 0;
  const work = queue(() => {
    runs += 1;
    return terminalOn(['invalid'], Promise.reject(new MeshError('invalid', 'never')));
  });
  work.add('a');
  await untilPasses(() => expect(runs).toBe(1));
  work.add('a');
  await untilPasses(() => expect(runs).toBe(2));
});

test('its metrics tell depth, waiting, work and retries by queue', async () => {
  const registry = new Metrics();
  const held = Promise.withResolvers<undefined>();
  let failed = false;
  const work = new WorkQueue({
    name: 'test',
    log,
    metrics: createQueueMetrics(registry),
    concurrency: 1,
    backoff: { baseMs: 1, capMs: 1 },
    reconcile: (key) => {
      if (key === 'first') return held.promise;
      const first = !failed;
      failed = true;
      return first ? Promise.reject(new MeshError('unavailable', 'not yet')) : Promise.resolve(undefined);
    },
  });
  for (const key of ['first', 'second']) work.add(key);
  await delay(1);
  expect(await registry.text()).toContain('weft_queue_depth{queue="test"} 1');
  held.resolve(undefined);
  await untilPasses(() => expect(work.size).toBe(0));
  const text = await registry.text();
  expect(text).toContain('weft_queue_depth{queue="test"} 0');
  expect(text).toContain('weft_queue_retries_total{queue="test"} 1');
  expect(text).toContain('weft_queue_wait_seconds_count{queue="test"} 3');
  expect(text).toContain('weft_queue_reconcile_seconds_count{queue="test"} 3');
});

test('a key that asks for it comes back', async () => {
  let runs = 0;
  const work = queue(() => Promise.resolve(++runs < 3 ? { againAfterMs: 1 } : undefined));
  work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect(runs).toBe(3);
});

test('stopping aborts what runs, waits for it and takes no more', async () => {
  let ended = false;
  const work = queue(async (_key, signal) => {
    await delay(60_000, undefined, { signal }).catch(() => undefined);
    ended = true;
    return undefined;
  });
  work.add('a');
  await delay(1);
  await work.stop();
  work.add('b');
  expect({ ended, size: work.size }).toEqual({ ended: true, size: 0 });
});
