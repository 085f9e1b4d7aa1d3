import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PORTS } from './pods.js';
import { type Work, costOf, h2load, json, number } from './work.js';

const MESSAGES = 100;
const MESSAGE_BYTES = 57;
/** Of protobuf (https://protobuf.dev/programming-guides/encoding): field 2, a number; field 2, a message of one number in field 1. */
const RESPONSE_SIZE = [0x10, MESSAGE_BYTES];
const RESPONSE_PARAMETERS = [0x12, 2, 0x08, MESSAGE_BYTES];

/** A gRPC message: not compressed, its length, its bytes. */
function framed(message: readonly number[]): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, Buffer.from(message)]);
}

/**
 * gRPC's interoperability service: unary calls, and calls answered by a stream of messages. h2load knows no gRPC status, so the
 * bytes that came back say whether the calls were answered. Calls whose stream was cut are counted: Envoy cuts some. About `seconds` long.
 */
export async function grpc(work: Work, directory: string, seconds: number): Promise<void> {
  const streamed = Array.from({ length: MESSAGES }, () => RESPONSE_PARAMETERS).flat();
  const calls = [
    { row: 'grpc unary', method: 'UnaryCall', message: RESPONSE_SIZE, messages: 1, perSecond: 5000 },
    {
      row: 'grpc stream',
      method: 'FullDuplexCall',
      message: streamed,
      messages: MESSAGES,
      perSecond: 1000,
    },
  ];
  for (const { row, method, message, messages, perSecond } of calls) {
    const file = join(directory, `${method}.grpc`);
    await writeFile(file, framed(message));
    const url = `http://${work.address}:${PORTS.grpc}/grpc.testing.TestService/${method}`;
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    // A number of calls: at the end of a duration h2load ends its connections in the middle of streams, and counts them as failed.
    const count = `-n${Math.ceil(perSecond * seconds)}`;
    const said = await h2load(work, row, [count, '-d', file, ...headers, url], { failures: 'counted' });
    const bytes = number(said, /\((\d+)\) data/) / number(said, /(\d+) succeeded/);
    if (work.figures.get(`${row} failed`) === 0 && bytes < messages * MESSAGE_BYTES)
      throw new Error(`${row}: ${bytes.toFixed(0)} bytes a call are no answer:\n${said}`);
  }
}

/** Round trips of a small message on a WebSocket. */
export async function webSocket(work: Work, seconds: number): Promise<void> {
  const [seen] = await costOf(work, () =>
    json(work, 'ws', `${work.address}:${PORTS.webSocket}`, String(seconds)),
  );
  work.figures.set('websocket round trip', seen['p50'] ?? Number.NaN);
}
