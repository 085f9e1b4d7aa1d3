import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import { MeshError, createLogger } from './base/index.js';
import { watchForEnd } from './process-end.js';

function watching(): { events: EventEmitter; levels: string[]; end: ReturnType<typeof watchForEnd> } {
  const levels: string[] = [];
  const write = (line: string): void => {
    levels.push((JSON.parse(line) as { level: string }).level);
  };
  const events = new EventEmitter();
  return { events, levels, end: watchForEnd(createLogger({ destination: { write } }), events) };
}

test('what SIGTERM stops half-way is neither a failure nor an error in the log', async () => {
  const { events, levels, end } = watching();
  events.emit('SIGTERM');
  end.fail(new MeshError('aborted', 'shutting down: servers'));
  end.fail(new DOMException('This operation was aborted', 'AbortError'));
  expect(await end.reason).toEqual({ text: 'SIGTERM', failed: false });
  expect(levels).toEqual([]);
});

test('what breaks while ending is an error, and the reason stays the first', async () => {
  const { events, levels, end } = watching();
  events.emit('SIGTERM');
  end.fail(new Error('broke'));
  expect(await end.reason).toEqual({ text: 'SIGTERM', failed: false });
  expect(levels).toEqual(['error']);
});

test('a part that fails for good, or an error that nobody caught, ends the process as failed', async () => {
  const { events, levels, end } = watching();
  events.emit('unhandledRejection', new Error('nobody caught me'));
  expect(await end.reason).toEqual({ text: 'nobody caught me', failed: true });
  expect(levels).toEqual(['fatal']);
});
