// Rows that are the same against each port that speaks gRPC, and what they are made of.
import type { TLSSocket } from 'node:tls';
import { sleep } from '../../src/base/index.js';
import type { Row } from './rows.js';
import { grpc, type Weapons } from './weapons.js';

/** A frame of HTTP/2. */
const frame = (kind: number, flags: number, stream: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
};

/** What a client begins with, and empty settings. */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
]);
const PING_ANSWER = frame(6, 1, 0, Buffer.alloc(8));

/** A message as gRPC frames it, whatever length it says it has. */
export const framed = (body: Uint8Array, announced = body.length): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(announced, 1);
  return Buffer.concat([head, body]);
};

/** The same against a port that speaks gRPC, as whoever may connect to it. */
export function overHttp2(port: 'csr' | 'config', path: string): Row[] {
  const whose = port === 'csr' ? port : `${port}, admitted`;
  const open = (w: Weapons) => w.http2(port, port === 'csr' ? undefined : w.admitted);
  const raw = (w: Weapons) => w.tls(port, port === 'csr' ? undefined : w.admitted);
  return [
    {
      name: `${whose}: a message that says it has 4 GB`,
      play: (w) =>
        w.flood(8, async () => {
          const session = await open(w);
          const stream = session === undefined ? undefined : grpc(session, path);
          stream?.write(framed(Buffer.alloc(60_000), 0xffffffff));
          await sleep(50);
          session?.destroy();
        }),
    },
    {
      name: `${whose}: messages a byte at a time`,
      play: (w) =>
        w.flood(40, async () => {
          const session = await open(w);
          const stream = session === undefined ? undefined : grpc(session, path);
          for (const byte of framed(Buffer.alloc(200))) {
            if (stream?.writable !== true) break;
            stream.write(Buffer.of(byte));
            await sleep(20);
          }
          session?.destroy();
        }),
    },
    {
      name: `${whose}: streams that are reset as soon as they are open`,
      play: (w) =>
        w.flood(4, async () => {
          const session = await open(w);
          for (let i = 0; i < 2_000 && session?.destroyed === false && !w.signal.aborted; i++) {
            grpc(session, path)?.close(8);
            if (i % 20 === 19) await sleep(1);
          }
          session?.destroy();
        }),
    },
    {
      name: `${whose}: a megabyte of headers`,
      play: (w) =>
        w.flood(8, async () => {
          const session = await open(w);
          const headers = Object.fromEntries(
            Array.from({ length: 60 }, (_, i) => [`x-${i}`, 'x'.repeat(16_000)]),
          );
          if (session !== undefined) grpc(session, path, headers);
          await sleep(50);
          session?.destroy();
        }),
    },
    {
      name: `${whose}: answers to pings that nobody sent, as fast as they go`,
      play: (w) => frames(w, raw, Buffer.concat(Array.from({ length: 64 }, () => PING_ANSWER))),
    },
    {
      name: `${whose}: headers that go on without end`,
      play: (w) => frames(w, raw, frame(9, 0, 1, Buffer.alloc(1_024)), frame(1, 0, 1, Buffer.of(0x82))),
    },
  ];
}

/** Writes frames of HTTP/2 by hand, first once and then again and again, for as long as somebody takes them. */
async function frames(
  weapons: Weapons,
  open: (weapons: Weapons) => Promise<TLSSocket | undefined>,
  again: Buffer,
  once: Buffer = Buffer.alloc(0),
): Promise<void> {
  await weapons.flood(4, async () => {
    const socket = await open(weapons);
    socket?.resume();
    socket?.write(Buffer.concat([PREFACE, once]));
    for (let i = 0; i < 2_000 && socket?.writable === true && !weapons.signal.aborted; i++) {
      socket.write(again);
      await sleep(1);
    }
    socket?.destroy();
  });
}
