import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';

/** What an authorizer does when it is asked. */
export type Behaviour = (stream: ServerHttp2Stream) => void;

/** Answers as Envoy's `ext_authz` would be answered, or as it never should be; written byte by byte, with no library for it. */
export class Authorizer {
  behaviour: Behaviour = answer(denied());
  asked = 0;
  readonly #server: Http2Server = createServer();
  readonly #sessions = new Set<ServerHttp2Session>();

  constructor() {
    this.#server.on('session', (session) => {
      this.#sessions.add(session);
      session.on('error', () => undefined);
      session.on('close', () => this.#sessions.delete(session));
    });
    this.#server.on('stream', (stream) => {
      this.asked += 1;
      stream.on('error', () => undefined);
      stream.resume();
      this.behaviour(stream);
    });
  }

  async listen(host: string, port: number): Promise<void> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
  }

  /** Dies, with all that is under way. */
  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

/** A field of protobuf that holds bytes. */
const field = (number: number, ...parts: readonly (Buffer | string)[]): Buffer => {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint((number << 3) | 2), varint(body.length), body]);
};

const status = (code: number): Buffer =>
  field(1, code === 0 ? Buffer.alloc(0) : Buffer.concat([Buffer.from([8]), varint(code)]));
const header = ([name, value]: readonly [string, string]): Buffer =>
  field(2, field(1, field(1, name), field(2, value)));

/** Allows, and has headers set. */
export function allowed(...headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat([status(0), field(3, ...headers.map(header))]);
}

export function denied(): Buffer {
  return Buffer.concat([status(7), field(2, field(1, Buffer.from([8, 0x93, 0x03])))]);
}

const framed = (message: Buffer, flag = 0, length = message.length): Buffer => {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, message]);
};

interface Said {
  readonly status?: number;
  readonly type?: string;
  readonly trailers?: Readonly<Record<string, string>>;
}

/** Sends bytes as the whole of an answer of gRPC. */
function say(
  body: Buffer,
  { status: code = 200, type = 'application/grpc', trailers }: Said = {},
): Behaviour {
  return (stream) => {
    stream.respond({ ':status': code, 'content-type': type }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ ...(trailers ?? { 'grpc-status': '0' }) }));
    stream.end(body);
  };
}

export const answer = (message: Buffer): Behaviour => say(framed(message));

const LATE_MS = 2_000;
const many = (count: number, size: number): readonly (readonly [string, string])[] =>
  Array.from({ length: count }, (_, index) => [`x-many-${index}`, 'x'.repeat(size)] as const);

/** Whatever it does, nobody gets in. */
export const REFUSING: ReadonlyMap<string, Behaviour> = new Map<string, Behaviour>([
  ['it denies', answer(denied())],
  ['its status allows, and it denies', answer(Buffer.concat([status(0), field(3), field(2)]))],
  ['it denies by its status, with what would allow', answer(Buffer.concat([status(16), field(3)]))],
  ['it never answers', () => undefined],
  ['it begins to answer', (stream) => stream.respond({ ':status': 200, 'content-type': 'application/grpc' })],
  [
    'it answers too late',
    (stream) => {
      setTimeout(() => {
        if (!stream.destroyed) answer(allowed())(stream);
      }, LATE_MS).unref();
    },
  ],
  ['it resets', (stream) => stream.close(2)],
  ['it ends its connection', (stream) => stream.session?.destroy()],
  ['it is unavailable', say(Buffer.alloc(0), { trailers: { 'grpc-status': '14' } })],
  ['it allows, and fails', say(framed(allowed()), { trailers: { 'grpc-status': '13' } })],
  ['it allows, and does not say that it is done', say(framed(allowed()), { trailers: {} })],
  [
    'it allows with a status that is no number',
    say(framed(allowed()), { trailers: { 'grpc-status': 'OK' } }),
  ],
  ['it says nothing, and that this is well', say(Buffer.alloc(0))],
  ['its message is empty', answer(Buffer.alloc(0))],
  ['its message has a status alone, of no code that is known', answer(status(99))],
  ['its message is no protobuf', answer(Buffer.from([0xff, 0xff, 0xff, 0xff]))],
  ['its message is of another type', answer(Buffer.from([8, 0]))],
  ['its message is cut', say(framed(allowed()).subarray(0, 6))],
  ['its message is longer than it says', say(framed(allowed(), 0, 0xff_ff_ff_ff))],
  ['it sends two messages', say(Buffer.concat([framed(allowed()), framed(denied())]))],
  ['it says that it compressed', say(framed(allowed(), 1))],
  ['it answers with 500', say(framed(allowed()), { status: 500 })],
  ['it answers with 404', say(framed(allowed()), { status: 404 })],
  ['it sends elsewhere', say(framed(allowed()), { status: 302 })],
  ['it answers with a page', say(Buffer.from('<html>OK</html>'), { type: 'text/html' })],
  ['it answers with JSON', say(Buffer.from('{"status":{}}'), { type: 'application/json' })],
  ['it sends a hundred headers', answer(allowed(...many(100, 1)))],
  ['it sends 20 KiB of headers', answer(allowed(...many(10, 2048)))],
  ['it sends 100 KiB', answer(allowed(...many(2, 51_200)))],
  ['it sends a line in a header', answer(allowed(['x-user', 'a\r\nx-evil: b']))],
  ['it sends a name that is none', answer(allowed(['x user', 'a']))],
]);

/** What it may not choose, though it allows. */
export const REACHING: readonly (readonly [string, string])[] = [
  ['host', 'evil'],
  [':authority', 'evil'],
  [':path', '/evil'],
  [':method', 'EVIL'],
  ['content-length', '7777'],
  ['transfer-encoding', 'evil'],
  ['connection', 'evil'],
  ['te', 'evil'],
  ['upgrade', 'evil'],
  ['via', 'evil'],
  ['forwarded', 'for=evil'],
  ['x-weft-caller', 'evil'],
  ['X-Weft-Reason', 'evil'],
];
