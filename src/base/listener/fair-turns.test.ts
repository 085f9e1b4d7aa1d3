import { expect, test } from '@jest/globals';
import { FairTurns, TooManyWaiting } from './fair-turns.js';

test('peers take turns: one with a thousand pieces of work delays another by one piece', async () => {
  const turns = new FairTurns({ limit: 1, maxWaiting: 1_000 });
  const order: string[] = [];
  const work = (peer: string): Promise<void> => turns.run(peer, () => Promise.resolve(void order.push(peer)));
  const crowd = Array.from({ length: 1_000 }, () => work('crowd'));
  await Promise.all([work('honest'), work('honest'), work('other')]);
  await Promise.all(crowd);
  expect(order.slice(0, 6).sort()).toEqual(['crowd', 'crowd', 'crowd', 'honest', 'honest', 'other']);
  expect(order).toHaveLength(1_003);
});

test('so many run at once, a failure gives its place back, and more of a peer than may wait are refused', async () => {
  const turns = new FairTurns({ limit: 2, maxWaiting: 1 });
  const held = [Promise.withResolvers<undefined>(), Promise.withResolvers<undefined>()];
  let running = 0;
  const runs = held.map(({ promise }) =>
    turns.run('a', () => {
      running += 1;
      return promise;
    }),
  );
  expect(running).toBe(2);
  const third = turns.run('a', () => Promise.resolve('third'));
  await expect(turns.run('a', () => Promise.resolve('fourth'))).rejects.toBeInstanceOf(TooManyWaiting);
  held[0]?.reject(new Error('broke'));
  await expect(runs[0]).rejects.toThrow('broke');
  expect(await third).toBe('third');
  held[1]?.resolve(undefined);
  await runs[1];
  expect(await turns.run('b', () => Promise.resolve('free'))).toBe('free');
});
