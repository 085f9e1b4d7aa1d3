import { afterEach, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { connect, createServer, type ClientHttp2Session, type ServerHttp2Session } from 'node:http2';
import { connect as dial, type AddressInfo } from 'node:net';
import { eventually } from '../testing/eventually.js';
import { Connection } from './connection.js';
import { Rounds } from './rounds.js';

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

function every(ms: number): Rounds {
  const rounds = new Rounds(ms);
  ends.push(() => rounds.stop());
  return rounds;
}

test('a connection that lives through many pings gathers nothing', async () => {
  const { near, far } = await pair();
  const before = near.eventNames().map((name) => near.listenerCount(name));
  new Connection(near, { rounds: every(10), maxAgeMs: 60_000, drainMs: 1_000 });
  let pings = 0;
  far.on('ping', () => pings++);
  await eventually('pings', () => pings >= 20);
  const after = near.eventNames().map((name) => near.listenerCount(name));
  const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
  expect(sum(after) - sum(before)).toBeLessThanOrEqual(2);
  expect(near.destroyed).toBe(false);
});

test('a peer that pings by itself is not pinged', async () => {
  const { near, far } = await pair();
  new Connection(near, { rounds: every(200), maxAgeMs: 60_000, drainMs: 1_000 });
  let [sent, heard] = [0, 0];
  far.on('ping', () => heard++);
  const pinging = setInterval(() => far.ping(() => sent++), 5);
  ends.push(() => clearInterval(pinging));
  const begun = performance.now();
  await eventually('ten rounds', () => performance.now() - begun > 2_000 && sent > 0);
  // Five would go out in that time; a machine that stalls lets one through.
  expect(heard).toBeLessThan(3);
  clearInterval(pinging);
  await eventually('pinged again once it is silent', () => heard > 2);
});

test('a peer that answers no ping is gone', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = dial((server.address() as AddressInfo).port, '127.0.0.1');
  ends.push(
    () => socket.destroy(),
    () => server.close(),
  );
  // Its preface and empty settings, and nothing after that.
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0');
  const [near] = (await once(server, 'session')) as [ServerHttp2Session];
  new Connection(near, { rounds: every(100), maxAgeMs: 60_000, drainMs: 1_000 });
  await eventually('gone', () => near.destroyed);
});

test('whoever leaves the rounds is looked at no more', async () => {
  const rounds = every(20);
  const looks = { stays: 0, leaves: 0 };
  rounds.add({ look: () => looks.stays++ });
  const leave = rounds.add({ look: () => looks.leaves++ });
  await eventually('looked at', () => looks.stays > 1 && looks.leaves > 1);
  leave();
  const before = { ...looks };
  await eventually('looked at again', () => looks.stays > before.stays + 1);
  expect(looks.leaves).toBe(before.leaves);
});

test('a connection ends at its age, and calls that go on are cut off after the drain', async () => {
  const { near, far } = await pair();
  far.on('error', () => undefined);
  const begun = performance.now();
  const connection = new Connection(near, { rounds: every(10_000), maxAgeMs: 100, drainMs: 200 });
  const call = far.request({ ':path': '/' });
  call.on('error', () => undefined);
  await once(near, 'stream');
  await once(connection.draining, 'abort');
  expect(performance.now() - begun).toBeGreaterThan(90);
  expect(near.destroyed).toBe(false);
  await eventually('cut off', () => near.destroyed);
  expect(performance.now() - begun).toBeGreaterThan(290);
});
