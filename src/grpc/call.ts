import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Logger } from '../base/log.js';
import { FrameReader, frame } from './framing.js';
import { GrpcCode, GrpcError, encodeMessage, statusOf, type GrpcStatus } from './status.js';

/** Who is at the other end of a connection. */
export interface Peer {
  /** Canonical text of the IP address; IPv4 in its own form even over a dual-stack socket. */
  readonly address: string;
}

/** What a handler knows about a call. */
export interface Call {
  readonly path: string;
  readonly peer: Peer;
  /** Aborts when the call ends in any way: answered, cancelled, past its deadline, connection lost. */
  readonly signal: AbortSignal;
  /** Aborts when the server wants the connection to end (its age, a shutdown): finish soon, the client comes back. */
  readonly draining: AbortSignal;
  /** First value of a request header, by its lower-case name. */
  header(name: string): string | undefined;
}

/** The sending side of a stream of responses. */
export interface ResponseStream extends Call {
  /**
   * Sends one encoded message, given in parts. False: the peer is slow, so send nothing more before the handler's
   * `writable` is called; what has changed by then goes out in its newest form.
   */
  send(parts: readonly Uint8Array[]): boolean;
  /** Sends the response's headers now, before any message: clients of streams wait for them. */
  start(): void;
  /** Ends the call. Later calls do nothing. */
  finish(status: GrpcStatus): void;
  /** Ends the call with the status for whatever was thrown; what the caller must not read is logged here. */
  fail(thrown: unknown): void;
}

/** What the transport tells a handler about one call. `message` may throw: the call then ends with that status. */
export interface Receiver {
  message(bytes: Uint8Array): void;
  /** The client has sent its last message. */
  halfClosed(): void;
  writable(): void;
}

/** One method of a service, ready to be served. Made by `unary` and `bidi`. */
export interface Method {
  readonly path: string;
  open(call: ResponseStream): Receiver;
}

export interface CallOptions {
  readonly path: string;
  readonly peer: Peer;
  readonly draining: AbortSignal;
  readonly maxMessageBytes: number;
  /** Milliseconds until the call ends with DEADLINE_EXCEEDED; undefined: no limit. */
  readonly timeoutMs: number | undefined;
  readonly log: Logger;
}

/** How long a client may take to read what was sent before the end of a call. */
const UNREAD_MS = 5_000;

const CONTENT_TYPE = 'application/grpc';

/** Answers without ever opening a call: one header block that is the trailer too. */
export function refuse(stream: ServerHttp2Stream, status: GrpcStatus): void {
  if (isOver(stream) || stream.headersSent) return;
  stream.respond(
    { ':status': 200, 'content-type': CONTENT_TYPE, ...trailersOf(status) },
    { endStream: true },
  );
  closeAfterTrailers(stream);
}

/** Reset by the peer, or gone with its connection: answering it would throw. */
function isOver(stream: ServerHttp2Stream): boolean {
  return stream.destroyed || stream.closed;
}

function trailersOf(status: GrpcStatus): Record<string, string> {
  const code = { 'grpc-status': String(status.code) };
  return status.message === '' ? code : { ...code, 'grpc-message': encodeMessage(status.message) };
}

/** The trailers are on their way; a client that is still sending gets RST_STREAM(NO_ERROR) behind them (RFC 9113 8.1). */
function closeAfterTrailers(stream: ServerHttp2Stream): void {
  stream.resume();
  setImmediate(() => stream.close());
}

/** One call on one HTTP/2 stream: owns the stream from the request's headers to the trailers. */
export class ServerCall implements ResponseStream {
  readonly path: string;
  readonly peer: Peer;
  readonly draining: AbortSignal;
  readonly #stream: ServerHttp2Stream;
  readonly #headers: IncomingHttpHeaders;
  readonly #frames: FrameReader;
  readonly #log: Logger;
  readonly #ended = new AbortController();
  #receiver: Receiver | undefined;
  #deadline: NodeJS.Timeout | undefined;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, options: CallOptions) {
    this.#stream = stream;
    this.#headers = headers;
    this.#frames = new FrameReader(options.maxMessageBytes);
    this.#log = options.log;
    this.path = options.path;
    this.peer = options.peer;
    this.draining = options.draining;
    if (options.timeoutMs !== undefined) {
      const late = {
        code: GrpcCode.deadlineExceeded,
        message: `not answered within ${options.timeoutMs} ms`,
      };
      this.#deadline = setTimeout(() => this.finish(late), options.timeoutMs).unref();
    }
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Starts the handler and feeds it. */
  serve(method: Method): void {
    this.#stream.on('data', (chunk: Buffer) => this.#guard(() => this.#receive(chunk)));
    this.#stream.on('end', () => this.#guard(() => this.#receiveEnd()));
    this.#stream.on('drain', () => this.#guard(() => this.#receiver?.writable()));
    this.#stream.on('close', () => this.#end());
    this.#guard(() => {
      this.#receiver = method.open(this);
    });
  }

  start(): void {
    if (this.#stream.headersSent || this.signal.aborted || isOver(this.#stream)) return;
    this.#stream.respond({ ':status': 200, 'content-type': CONTENT_TYPE }, { waitForTrailers: true });
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.signal.aborted || isOver(this.#stream)) return false;
    this.start();
    return this.#stream.write(frame(parts));
  }

  finish(status: GrpcStatus): void {
    if (this.signal.aborted) return;
    this.#end();
    if (isOver(this.#stream)) return;
    if (!this.#stream.headersSent) {
      refuse(this.#stream, status);
      return;
    }
    this.#stream.once('wantTrailers', () => {
      if (isOver(this.#stream)) return;
      this.#stream.sendTrailers(trailersOf(status));
      closeAfterTrailers(this.#stream);
    });
    this.#stream.end();
    // A client that does not read what was sent before does not get to the trailers.
    const unread = setTimeout(() => this.#stream.close(constants.NGHTTP2_CANCEL), UNREAD_MS).unref();
    this.#stream.once('close', () => clearTimeout(unread));
  }

  fail(thrown: unknown): void {
    // Nobody listens any more, and what failed may well have failed for that.
    if (this.signal.aborted) return;
    const status = statusOf(thrown);
    if (status.code === GrpcCode.internal) this.#log.error({ err: thrown, path: this.path }, 'a call failed');
    this.finish(status);
  }

  /** A message may end the call: what came behind it is dropped. */
  #receive(chunk: Buffer): void {
    this.#frames.push(chunk);
    while (!this.signal.aborted) {
      const message = this.#frames.next();
      if (message === undefined) break;
      this.#receiver?.message(message);
    }
  }

  #receiveEnd(): void {
    if (this.signal.aborted) return;
    if (this.#frames.pending)
      throw new GrpcError(GrpcCode.internal, 'the request ended in the middle of a message');
    this.#receiver?.halfClosed();
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#ended.abort();
  }
}
