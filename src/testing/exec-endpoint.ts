import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** One command that somebody runs in a container. */
export interface ExecCall {
  /** Of the request, such as `/api/v1/namespaces/shop/pods/web/exec`. */
  readonly path: string;
  readonly container: string;
  readonly command: readonly string[];
  /** Its first line of input. */
  readonly input: string;
  /** Aborts when the client is gone. */
  readonly gone: AbortSignal;
  stdout(text: string): void;
  stderr(text: string): void;
  /** Ends the command, and the connection after it. */
  exit(code: number): void;
  /** Ends the connection without a word. */
  breakOff(): void;
}

export type ExecHandler = (call: ExecCall) => void;

const PROTOCOL = 'v5.channel.k8s.io';
const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const BINARY = 2;
const CLOSE = 8;

/** The part of WebSockets (RFC 6455) and of the kubelet's channels that a client of `exec` meets, over a real socket. */
export function serveExec(request: IncomingMessage, socket: Duplex, handler: ExecHandler): void {
  const key = request.headers['sec-websocket-key'] ?? '';
  const accept = createHash('sha1')
    .update(key + MAGIC)
    .digest('base64');
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n' +
      `sec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${PROTOCOL}\r\n\r\n`,
  );
  const url = new URL(request.url ?? '/', 'http://server');
  const gone = new AbortController();
  const say = (channel: number, text: string): void => {
    if (socket.writable) socket.write(frame(BINARY, Buffer.concat([Buffer.of(channel), Buffer.from(text)])));
  };
  let unread: Buffer = Buffer.alloc(0);
  let input = '';
  socket.on('error', () => gone.abort());
  socket.on('close', () => gone.abort());
  socket.on('data', (chunk: Buffer) => {
    unread = Buffer.concat([unread, chunk]);
    for (let next = unframe(unread); next !== undefined; next = unframe(unread)) {
      unread = next.rest;
      if (next.opcode === CLOSE) {
        socket.end(frame(CLOSE, Buffer.alloc(0)));
        gone.abort();
        return;
      }
      const before = input;
      input += next.payload.subarray(1).toString('utf8');
      if (before.includes('\n') || !input.includes('\n')) continue;
      handler({
        path: url.pathname,
        container: url.searchParams.get('container') ?? '',
        command: url.searchParams.getAll('command'),
        input: input.slice(0, input.indexOf('\n')),
        gone: gone.signal,
        stdout: (text) => say(1, text),
        stderr: (text) => say(2, text),
        exit: (code) => say(3, JSON.stringify(statusOf(code))),
        breakOff: () => socket.destroy(),
      });
    }
  });
}

function statusOf(code: number): object {
  if (code === 0) return { metadata: {}, status: 'Success' };
  const causes = [{ reason: 'ExitCode', message: String(code) }];
  const message = `command terminated with non-zero exit code: exit status ${code}`;
  return { metadata: {}, status: 'Failure', message, reason: 'NonZeroExitCode', details: { causes } };
}

function frame(opcode: number, payload: Buffer): Buffer {
  const first = 0x80 | opcode;
  if (payload.length < 126) return Buffer.concat([Buffer.of(first, payload.length), payload]);
  const head = Buffer.of(first, 127, 0, 0, 0, 0, 0, 0, 0, 0);
  head.writeUInt32BE(payload.length, 6);
  return Buffer.concat([head, payload]);
}

interface Unframed {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly rest: Buffer;
}

/** The first whole frame of a client, which masks what it sends. */
function unframe(bytes: Buffer): Unframed | undefined {
  if (bytes.length < 2) return undefined;
  const short = bytes.readUInt8(1) & 0x7f;
  const wide = { 126: 2, 127: 8 }[short] ?? 0;
  const at = 2 + wide;
  if (bytes.length < at + 4) return undefined;
  const length = wide === 0 ? short : bytes.readUIntBE(at - Math.min(wide, 4), Math.min(wide, 4));
  const end = at + 4 + length;
  if (bytes.length < end) return undefined;
  const mask = bytes.subarray(at, at + 4);
  const payload = Buffer.from(
    bytes.subarray(at + 4, end).map((byte, index) => byte ^ (mask[index % 4] ?? 0)),
  );
  return { opcode: bytes.readUInt8(0) & 0x0f, payload, rest: bytes.subarray(end) };
}
