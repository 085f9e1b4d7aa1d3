import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { Metrics } from '../metrics.js';
import { untilPasses } from '../../testing/until-passes.js';
import { DOOR_SOCKETS, FrontDoor, type FrontDoorOptions } from './front-door.js';
import { HandshakeGate, type HandshakeGateOptions } from './handshake-gate.js';
import { createListenerMetrics } from './listener-metrics.js';

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const limits = { total: 100, perAddress: 100, newPerAddress: { burst: 1_000, everyMs: 1 } };

async function listening(server: Server): Promise<number> {
  server.listen(0);
  await once(server, 'listening');
  ends.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A port behind a door; `admitted` are the sockets whose handshake would begin. */
async function door(
  options: Partial<FrontDoorOptions>,
): Promise<{ port: number; admitted: Socket[]; door: FrontDoor; text: () => Promise<string> }> {
  const admitted: Socket[] = [];
  const metrics = new Metrics();
  const made = new FrontDoor(
    { name: 'test', limits, metrics: createListenerMetrics(metrics), ...options },
    (socket) => {
      admitted.push(socket);
      // As a handshake would, which sees that the peer goes.
      socket.resume();
    },
  );
  ends.push(() => made.close());
  const port = await listening(createServer(DOOR_SOCKETS, (socket) => made.enter(socket)));
  return { port, admitted, door: made, text: () => metrics.text() };
}

const closings = new WeakMap<Socket, Promise<unknown>>();
const closed = async (sockets: readonly Socket[]): Promise<void> => {
  for (const socket of sockets) await closings.get(socket);
};

/** Connections whose peers begin to speak, or do not. */
async function dial(port: number, from: string, count: number, hello = 'hello'): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () =>
    connect({ host: '127.0.0.1', port, localAddress: from }),
  );
  for (const socket of sockets) {
    socket.on('error', () => undefined).resume();
    closings.set(socket, new Promise((resolve) => socket.once('close', resolve)));
    ends.push(() => socket.destroy());
  }
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  for (const socket of sockets) if (hello !== '') socket.write(hello);
  return sockets;
}

const from = (admitted: readonly Socket[], address: string): number =>
  admitted.filter(({ remoteAddress }) => remoteAddress?.endsWith(address) === true).length;

test('an address has its share of connections, those that wait included, and others come in beside it', async () => {
  const { port, admitted, text } = await door({ limits: { ...limits, perAddress: 12 }, maxHandshakes: 16 });
  const crowd = await dial(port, '127.0.0.66', 40);
  await dial(port, '127.0.0.2', 2);
  await untilPasses(() => expect(from(admitted, '127.0.0.2')).toBe(2));
  await closed(crowd.slice(12));
  expect(await text()).toContain('weft_listener_refused_total{listener="test",reason="per-address"} 28');
  expect(await text()).toContain('weft_listener_connections{listener="test"} 14');
  for (const socket of crowd) socket.destroy();
  await untilPasses(async () =>
    expect(await text()).toContain('weft_listener_connections{listener="test"} 2'),
  );
});

test('a port has its number of connections, and an address its rate of new ones', async () => {
  const full = await door({ limits: { ...limits, total: 3 } });
  const [, , , late] = await dial(full.port, '127.0.0.66', 4);
  await closed([late!]);
  expect(await full.text()).toContain('{listener="test",reason="total"} 1');
  const slow = await door({ limits: { ...limits, newPerAddress: { burst: 3, everyMs: 600_000 } } });
  const [, , , fast] = await dial(slow.port, '127.0.0.66', 4);
  await closed([fast!]);
  expect(await slow.text()).toContain('{listener="test",reason="rate"} 1');
  await dial(slow.port, '127.0.0.2', 1);
  await untilPasses(() => expect(from(slow.admitted, '127.0.0.2')).toBe(1));
});

const gateOptions: HandshakeGateOptions = { limit: 1, limitPerAddress: 1, maxWaitMs: 60_000, slowMs: 60_000 };

/** A port behind a gate; `entered` counts the connections that came to it. */
async function gatePort(
  options: Partial<HandshakeGateOptions>,
  admit: (socket: Socket) => void,
): Promise<{ port: number; gate: HandshakeGate; entered: () => number }> {
  const gate = new HandshakeGate({ ...gateOptions, ...options }, admit);
  ends.push(() => gate.close());
  let entered = 0;
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    gate.enter(socket);
    entered += 1;
  });
  return { port: await listening(server), gate, entered: () => entered };
}

test('addresses take turns at the gate: two hundred sockets of one delay another by one', async () => {
  const admitted: Socket[] = [];
  const { port, gate, entered } = await gatePort({}, (socket) => admitted.push(socket));
  await dial(port, '127.0.0.66', 200);
  await dial(port, '127.0.0.2', 1);
  await untilPasses(() => expect(entered()).toBe(201));
  for (let turn = 1; turn <= 2; turn++) {
    await untilPasses(() => expect(admitted).toHaveLength(turn));
    gate.done(admitted.at(-1)!);
  }
  await untilPasses(() => expect(admitted).toHaveLength(3));
  expect(admitted.map(({ remoteAddress }) => remoteAddress?.split(':').at(-1))).toContain('127.0.0.2');
});

test('an address has its share of the handshakes under way', async () => {
  const admitted: Socket[] = [];
  const { port, entered } = await gatePort({ limit: 8, limitPerAddress: 2 }, (socket) =>
    admitted.push(socket),
  );
  await dial(port, '127.0.0.66', 20);
  await untilPasses(() => expect(entered()).toBe(20));
  await dial(port, '127.0.0.2', 1);
  await untilPasses(() => expect(from(admitted, '127.0.0.2')).toBe(1));
  expect(from(admitted, '127.0.0.66')).toBe(2);
});

test('a turn of the event loop begins one handshake, however many wait', async () => {
  let turns = 0;
  const admittedIn: number[] = [];
  const { port, entered } = await gatePort({ limit: 100, limitPerAddress: 100 }, () =>
    admittedIn.push(turns),
  );
  let counting = true;
  ends.push(() => (counting = false));
  const count = (): void => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  await dial(port, '127.0.0.66', 50);
  await untilPasses(() => expect(admittedIn).toHaveLength(50));
  expect(entered()).toBe(50);
  expect(new Set(admittedIn).size).toBe(50);
});

test('who waits too long for a handshake is sent away', async () => {
  const reasons: string[] = [];
  const refused = (why: string): void => void reasons.push(why);
  const { port } = await gatePort({ maxWaitMs: 50, refused }, () => undefined);
  await dial(port, '127.0.0.66', 200);
  // One may have begun.
  await untilPasses(() => expect(reasons.length).toBeGreaterThanOrEqual(199));
  expect(new Set(reasons)).toEqual(new Set(['waited-too-long']));
});

test('the time before a peer began to speak is part of its wait', async () => {
  const reasons: string[] = [];
  const gate = new HandshakeGate(
    { ...gateOptions, limit: 0, refused: (why) => void reasons.push(why) },
    () => undefined,
  );
  ends.push(() => gate.close());
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    gate.enter(socket, performance.now() - (socket.remoteAddress?.endsWith('.66') === true ? 60_000 : 0));
  });
  const port = await listening(server);
  const [fresh] = await dial(port, '127.0.0.2', 1);
  await closed(await dial(port, '127.0.0.66', 20));
  expect(reasons).toHaveLength(20);
  expect(fresh?.destroyed).toBe(false);
});

test('a handshake that waits for its peer lets others begin, and may go on', async () => {
  const admitted: Socket[] = [];
  const { port } = await gatePort({ slowMs: 20 }, (socket) => admitted.push(socket));
  await dial(port, '127.0.0.66', 3);
  await untilPasses(() => expect(admitted).toHaveLength(3));
  expect(admitted.map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
});

test('peers that say nothing take no turn, and are sent away', async () => {
  const { port, admitted, text } = await door({ maxHandshakes: 4 });
  const silent = await dial(port, '127.0.0.66', 20, '');
  await dial(port, '127.0.0.66', 1);
  await untilPasses(() => expect(admitted).toHaveLength(1));
  await closed(silent);
  expect(await text()).toContain('{listener="test",reason="silent"} 20');
});

test('a peer that goes before it has spoken is forgotten', async () => {
  const { port, text } = await door({});
  for (const socket of await dial(port, '127.0.0.66', 3, '')) socket.end();
  await untilPasses(async () =>
    expect(await text()).toContain('weft_listener_connections{listener="test"} 0'),
  );
  expect(await text()).not.toContain('silent');
});

test('a peer that goes while it waits for its handshake is forgotten', async () => {
  const { port, admitted, text } = await door({ maxHandshakes: 1 });
  await dial(port, '127.0.0.2', 1);
  await untilPasses(() => expect(admitted).toHaveLength(1));
  for (const socket of await dial(port, '127.0.0.66', 20)) socket.end();
  await untilPasses(async () =>
    expect(await text()).toContain('weft_listener_connections{listener="test"} 1'),
  );
});

test('a peer that sends more than a ClientHello before its handshake is sent away', async () => {
  const { port, text } = await door({ maxHandshakes: 1 });
  await dial(port, '127.0.0.2', 1);
  const [much] = await dial(port, '127.0.0.66', 1, 'x'.repeat(100_000));
  await closed([much!]);
  expect(await text()).toContain('{listener="test",reason="too-much"} 1');
});
