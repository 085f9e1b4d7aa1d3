import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { MeshError, createLogger } from '../base/index.js';
import { untilPasses } from '../testing/index.js';
import { WorkQueue, type QueueOptions } from './queue.js';

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

test('what trying again cannot help is not tried again', async () => {
  let runs = 0;
  const work = queue(() => {
    runs += 1;
    return Promise.reject(new MeshError('invalid', 'never'));
  });
  work.add('a');
  await untilPasses(() => expect(work.size).toBe(0));
  expect(runs).toBe(1);
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
