import { expect, test } from '@jest/globals';
import { Metrics } from '../base/index.js';
import { startHealthServer } from './health-server.js';

test('readiness says what is missing, liveness only that we answer, and metrics are text', async () => {
  const abort = new AbortController();
  const metrics = new Metrics();
  metrics.counter('weft_things_total', 'Things.').inc(3);
  let synced = false;
  const ready = () => [
    { name: 'every kind has been listed', holds: () => synced, missing: () => ['Pod (forbidden)'] },
    { name: 'the election is alive', holds: () => true },
  ];
  const notes = () => ['XMesh: forbidden'];
  const { port } = await startHealthServer(
    { port: 0, host: '127.0.0.1', metrics, ready, notes },
    abort.signal,
  );
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };
  expect(await get('/ready')).toEqual([503, 'not yet: every kind has been listed\n  Pod (forbidden)\n']);
  expect(await get('/live')).toEqual([200, 'alive\n']);
  synced = true;
  expect(await get('/ready?verbose')).toEqual([200, 'ready\nnote: XMesh: forbidden\n']);
  expect((await get('/metrics'))[1]).toContain('weft_things_total 3');
  expect((await get('/'))[0]).toBe(404);
  abort.abort();
  await expect(get('/live')).rejects.toThrow();
});

test('a metric that cannot be read is an answer that says so, and not the end of the process', async () => {
  const abort = new AbortController();
  const metrics = new Metrics();
  metrics.gauge('weft_broken', 'Breaks.', [], () => {
    throw new Error('the gauge broke');
  });
  const { port } = await startHealthServer(
    { port: 0, host: '127.0.0.1', metrics, ready: () => [] },
    abort.signal,
  );
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  expect([response.status, await response.text()]).toEqual([500, 'the gauge broke\n']);
  abort.abort();
});
