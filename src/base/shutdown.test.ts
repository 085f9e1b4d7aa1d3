import { expect, test } from '@jest/globals';
import { createLogger } from './log.js';
import { Shutdown } from './shutdown.js';

const log = createLogger({ level: 'silent' });

test('steps run last added first, once, and a failing one does not stop the rest', async () => {
  const order: string[] = [];
  const shutdown = new Shutdown({ log });
  shutdown.add('first', () => void order.push('first'));
  shutdown.add('broken', () => {
    order.push('broken');
    throw new Error('no');
  });
  shutdown.add('last', () => Promise.resolve(void order.push('last')));
  expect(await Promise.all([shutdown.begin('test'), shutdown.begin('again')])).toEqual([true, true]);
  expect(order).toEqual(['last', 'broken', 'first']);
  expect(shutdown.signal.aborted).toBe(true);
});

test('a step that hangs is abandoned after the grace time', async () => {
  const shutdown = new Shutdown({ log, graceMs: 20 });
  shutdown.add('hangs', () => new Promise<void>(() => {}));
  expect(await shutdown.begin('test')).toBe(false);
});
