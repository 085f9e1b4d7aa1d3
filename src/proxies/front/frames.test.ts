import { describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import {
  FrontReader,
  beatFrame,
  certificatesFrame,
  drainFrame,
  endedFrame,
  helloFrame,
  messageFrame,
  readOnFrame,
  settingsFrame,
  type FromFront,
} from './frames.js';

/** In hexadecimal, by a name; `proxy/src/front/frames/tests.rs` reads the same file. */
const golden = JSON.parse(readFileSync('src/wire/front.json', 'utf8')) as Record<
  'fromFront' | 'fromControlPlane',
  Record<string, string>
>;

const SAID: Readonly<Record<string, Buffer>> = {
  hello: helloFrame(),
  settings: settingsFrame({
    host: '127.0.0.1',
    port: 15112,
    trustDomain: 'cluster.local',
    sharedAddresses: false,
    paths: ['/a.B/C', '/d.E/F'],
    logLevel: 'warn',
  }),
  certificates: certificatesFrame({ chain: 'c', privateKey: 'k', roots: 'r' }),
  message: messageFrame(7, [Buffer.from('one '), Buffer.from('message')]),
  readOn: readOnFrame(7, 1_048_576),
  ended: endedFrame(7, { code: 14, message: 'come back, größer' }),
  draining: drainFrame(),
  beat: beatFrame(),
};

const HEARD: Readonly<Record<string, FromFront>> = {
  hello: { kind: 'hello' },
  listening: { kind: 'listening', port: 15112 },
  opened: { kind: 'opened', stream: 7, method: 1, address: '2001:db8::7', der: Buffer.from([48, 1, 0]) },
  message: { kind: 'message', stream: 7, bytes: Buffer.from('one message') },
  halfClosed: { kind: 'halfClosed', stream: 7 },
  ended: { kind: 'ended', stream: 7 },
  credit: { kind: 'credit', stream: 7, bytes: 4_096 },
  draining: { kind: 'draining', stream: 7 },
  counts: {
    kind: 'counts',
    counts: {
      connections: 3,
      total: 1,
      'per-address': 2,
      rate: 3,
      silent: 4,
      'too-much': 5,
      'waited-too-long': 6,
      failed: 7,
    },
  },
  untrusted: { kind: 'untrusted', untrusted: { address: '10.0.0.1', why: 'expired', times: 2 } },
  taken: { kind: 'taken', problem: 'no such key' },
};

function read(...chunks: Buffer[]): FromFront[] {
  const reader = new FrontReader();
  const frames: FromFront[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(frame);
  }
  return frames;
}

const bytesOf = (name: string): Buffer => Buffer.from(golden.fromFront[name]!, 'hex');

test('what is said is as the golden bytes', () => {
  const said = Object.fromEntries(Object.entries(SAID).map(([name, frame]) => [name, frame.toString('hex')]));
  expect(said).toEqual(golden.fromControlPlane);
});

test('what the golden bytes say is heard, however they are cut', () => {
  expect(Object.keys(golden.fromFront)).toEqual(Object.keys(HEARD));
  const all = Buffer.concat(Object.keys(HEARD).map(bytesOf));
  expect(read(all)).toEqual(Object.values(HEARD));
  expect(read(...[...all].map((byte) => Buffer.of(byte)))).toEqual(Object.values(HEARD));
  for (let cut = 0; cut < all.length; cut += 7)
    expect(read(all.subarray(0, cut), all.subarray(cut))).toEqual(Object.values(HEARD));
});

describe('what the front does not say is refused', () => {
  const frame = (stream: number, kind: number, body: string | Buffer, length = body.length): Buffer => {
    const head = Buffer.alloc(9);
    head.writeUInt32BE(stream, 0);
    head.writeUInt8(kind, 4);
    head.writeUInt32BE(length, 5);
    return Buffer.concat([head, Buffer.from(body)]);
  };
  test.each([
    ['an unknown kind', frame(7, 14, '')],
    ['a kind of the control plane', frame(0, 7, '{}')],
    ['a stream where there is none', frame(7, 10, '{}')],
    ['no stream where there is one', frame(0, 0, 'x')],
    ['a message beyond the largest, before it has come', frame(7, 0, '', 1_048_577)],
    ['an end with bytes', frame(7, 3, 'x')],
    ['a credit of three bytes', frame(7, 4, 'abc')],
    ['another version', frame(0, 6, 'weft-front 2')],
    ['counts that are none', frame(0, 10, '{"connections":-1}')],
    ['counts that are no JSON', frame(0, 10, '{')],
    ['more counts than there are', frame(0, 10, '{"more":1}')],
    ['a problem without end', frame(0, 13, 'x'.repeat(1_025))],
    ['an address that is none', frame(7, 1, Buffer.from('\x00\x03foo0'))],
    ['an address without end', frame(7, 1, Buffer.from('\x00\x09foo'))],
    ['a certificate that is missing', frame(7, 1, Buffer.from('\x00\x0810.0.0.1'))],
    ['nothing of a stream that is opened', frame(7, 1, '')],
  ])('%s', (_, bytes) => {
    expect(() => read(bytes)).toThrow('is none that the front sends');
  });
});
