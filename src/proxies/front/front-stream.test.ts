import { expect, test } from '@jest/globals';
import { createLogger } from '../../base/index.js';
import { GrpcCode } from '../../grpc/index.js';
import { FrontStream } from './front-stream.js';

test('a message that is larger than the front takes ends its stream, and not the front', () => {
  const written: Buffer[] = [];
  const wire = { hasRoom: true, write: (frame: Buffer) => void written.push(frame), wait: () => undefined };
  const peer = { address: '10.0.0.1', certificate: undefined };
  const stream = new FrontStream(7, { peer, wire, log: createLogger({ level: 'silent' }) });
  const half = new Uint8Array(16 * 1024 * 1024);
  stream.send([half, half]);
  expect(stream.signal.aborted).toBe(true);
  expect(written.map((frame) => [frame.readUInt8(4), frame[9]])).toEqual([[3, GrpcCode.resourceExhausted]]);
});
