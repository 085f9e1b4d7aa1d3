import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type ClientHttp2Session, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { eventually } from '../../testing/eventually.js';
import { Connection } from './connection.js';

const ends: (() => unknown)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function pair(): Promise<{ near: ServerHttp2Session; far: ClientHttp2Session }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const [near] = (await once(server, 'session')) as [ServerHttp2Session];
  ends.push(
    () => far.destroy(),
    () => server.close(),
  );
  return { near, far };
}

test('a connection that lives through many pings gathers nothing', async () => {
  const { near, far } = await pair();
  const before = near.eventNames().map((name) => near.listenerCount(name));
  new Connection(near, { pingMs: 10, maxAgeMs: 60_000, drainMs: 1_000 });
  let pings = 0;
  far.on('ping', () => pings++);
  await eventually('pings', () => pings >= 20);
  const after = near.eventNames().map((name) => near.listenerCount(name));
  const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
  expect(sum(after) - sum(before)).toBeLessThanOrEqual(2);
  expect(near.destroyed).toBe(false);
});

test('a connection ends at its age, and calls that go on are cut off after the drain', async () => {
  const { near, far } = await pair();
  far.on('error', () => undefined);
  const begun = performance.now();
  const connection = new Connection(near, { pingMs: 10_000, maxAgeMs: 100, drainMs: 200 });
  const call = far.request({ ':path': '/' });
  call.on('error', () => undefined);
  await once(near, 'stream');
  await once(connection.draining, 'abort');
  expect(performance.now() - begun).toBeGreaterThan(90);
  expect(near.destroyed).toBe(false);
  await eventually('cut off', () => near.destroyed);
  expect(performance.now() - begun).toBeGreaterThan(290);
});
