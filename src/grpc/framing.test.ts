import { describe, expect, test } from '@jest/globals';
import { canonicalAddress } from '../base/listener/index.js';
import { deadlineMs } from './deadline.js';
import { FrameReader, frame } from './framing.js';
import { GrpcCode, GrpcError, decodeMessage, encodeMessage, statusOf } from './status.js';
import { MeshError } from '../base/error.js';

function read(reader: FrameReader, chunk: Buffer): string[] {
  reader.push(chunk);
  const messages: string[] = [];
  for (let message = reader.next(); message !== undefined; message = reader.next())
    messages.push(String(message));
  return messages;
}

describe('framing', () => {
  const stream = Buffer.concat([
    frame([Buffer.from('one')]),
    frame([]),
    frame([Buffer.from('th'), Buffer.from('ree')]),
  ]);

  test('finds the same messages wherever the stream is cut', () => {
    for (let at = 0; at <= stream.length; at++) {
      const reader = new FrameReader(100);
      const found = [...read(reader, stream.subarray(0, at)), ...read(reader, stream.subarray(at))];
      expect(found).toEqual(['one', '', 'three']);
      expect(reader.pending).toBe(false);
    }
  });

  test('byte by byte, and says when it is in the middle of a message', () => {
    const reader = new FrameReader(100);
    const found = [...stream.subarray(0, -1)].flatMap((byte) => read(reader, Buffer.of(byte)));
    expect(found).toEqual(['one', '']);
    expect(reader.pending).toBe(true);
  });

  test('refuses a message over the limit by its length alone, and a compressed one', () => {
    expect(() => read(new FrameReader(10), Buffer.of(0, 0, 0, 0, 11))).toThrow(/11 bytes; the limit is 10/);
    expect(() => read(new FrameReader(10), Buffer.of(0, 255, 255, 255, 255))).toThrow(GrpcError);
    expect(() => read(new FrameReader(10), Buffer.of(1, 0, 0, 0, 0))).toThrow(/compressed/);
  });
});

test.each([
  ['1S', 1_000],
  ['50m', 50],
  ['1u', 1],
  ['2M', 120_000],
  ['99999999H', undefined],
  ['5', undefined],
  ['-5m', undefined],
  ['123456789m', undefined],
  [undefined, undefined],
])('a deadline of %s is %s ms', (text, ms) => expect(deadlineMs(text)).toBe(ms));

test.each([
  ['10.0.0.1', '10.0.0.1'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::ffff:a00:1', '10.0.0.1'],
  ['FD00:0:0::5', 'fd00::5'],
  ['fe80::1%eth0', 'fe80::1'],
  ['010.0.0.1', undefined],
  ['pod.example', undefined],
  ['', undefined],
])('the canonical text of %s is %s', (text, canonical) => expect(canonicalAddress(text)).toBe(canonical));

test.each(['plain', 'ümläut 💥', '100 %', 'line\nbreak', ''])('the message %j survives a header', (text) => {
  const encoded = encodeMessage(text);
  expect(encoded).toMatch(/^[ -~]*$/);
  expect(decodeMessage(encoded)).toBe(text);
});

test('a status tells the caller what concerns it, and nothing of what went wrong inside', () => {
  expect(statusOf(new GrpcError(GrpcCode.notFound, 'no such thing'))).toMatchObject({
    code: 5,
    message: 'no such thing',
  });
  expect(statusOf(new MeshError('unavailable', 'later'))).toEqual({ code: 14, message: 'later' });
  for (const inner of [new Error('secret'), new MeshError('internal', 'secret'), 'secret']) {
    expect(statusOf(inner).code).toBe(13);
    expect(statusOf(inner).message).not.toContain('secret');
  }
});
