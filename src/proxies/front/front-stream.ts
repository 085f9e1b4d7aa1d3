import { MeshError, type Logger } from '../../base/index.js';
import { GrpcCode, statusOf, type GrpcStatus, type Receiver } from '../../grpc/index.js';
import type { Peer, ProxyStream } from '../service.js';
import {
  CREDIT,
  FIRST_MESSAGE_BYTES,
  MAX_SENT_BYTES,
  STREAM_BYTES,
  endedFrame,
  messageFrame,
  readOnFrame,
} from './frames.js';

/** The way to the front, which all streams share. */
export interface Wire {
  /** False: it takes no more messages before the stream's `wake` is called. */
  readonly hasRoom: boolean;
  write(frame: Buffer): void;
  /** Calls `wake` of the stream when there is room again. */
  wait(stream: FrontStream): void;
}

/** A method of a service, ready to be served. */
export interface FrontMethod {
  readonly path: string;
  open(stream: ProxyStream): Receiver;
}

/** One stream that the front hands on. */
export class FrontStream implements ProxyStream {
  readonly peer: Peer;
  readonly #number: number;
  readonly #wire: Wire;
  readonly #log: Logger;
  readonly #ended = new AbortController();
  readonly #draining = new AbortController();
  #receiver: Receiver | undefined;
  /** What the front has room for. */
  #credit = CREDIT;
  /** Somebody was told to wait until it is writable. */
  #isAwaited = false;
  /** Until `release` the front sends one message. */
  #maxMessageBytes = FIRST_MESSAGE_BYTES;
  #isReleased = false;
  #heardFirst = false;
  #frontEnded = false;

  constructor(number: number, parts: { peer: Peer; wire: Wire; log: Logger }) {
    this.#number = number;
    this.peer = parts.peer;
    this.#wire = parts.wire;
    this.#log = parts.log;
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  serve(method: FrontMethod): void {
    this.#guard(() => {
      this.#receiver = method.open(this);
    });
  }

  release(maxMessageBytes: number): void {
    if (this.signal.aborted) return;
    this.#isReleased = true;
    this.#maxMessageBytes = maxMessageBytes;
    this.#wire.write(readOnFrame(this.#number, maxMessageBytes));
  }

  hasRoom(): boolean {
    if (this.signal.aborted) return false;
    if (this.#credit > 0 && this.#wire.hasRoom) return true;
    this.#isAwaited = true;
    if (!this.#wire.hasRoom) this.#wire.wait(this);
    return false;
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.signal.aborted) return;
    if (this.#credit <= 0) throw new TypeError('a message was sent before the stream was writable again');
    const frame = messageFrame(this.#number, parts);
    if (frame.length > MAX_SENT_BYTES) {
      this.#log.error({ bytes: frame.length }, 'a message for a proxy is larger than any may be');
      this.finish({
        code: GrpcCode.resourceExhausted,
        message: 'what you ask for does not fit into a message',
      });
      return;
    }
    this.#credit -= frame.length - STREAM_BYTES;
    this.#wire.write(frame);
  }

  finish(status: GrpcStatus): void {
    if (this.signal.aborted) return;
    this.#wire.write(endedFrame(this.#number, status));
    this.#ended.abort();
  }

  fail(thrown: unknown): void {
    // Nobody listens any more, and what failed may well have failed for that.
    if (this.signal.aborted) return;
    const status = statusOf(thrown);
    if (status.code === GrpcCode.internal) this.#log.error({ err: thrown }, 'a stream of a proxy failed');
    this.finish(status);
  }

  /** A message has come. Throws where the front may not send it. */
  message(bytes: Buffer): void {
    const isAsked = this.#isReleased || !this.#heardFirst;
    if (this.#frontEnded || !isAsked || bytes.length > this.#maxMessageBytes)
      throw new MeshError('internal', `the front sends what stream ${this.#number} does not read`);
    this.#heardFirst = true;
    if (!this.signal.aborted) this.#guard(() => this.#receiver?.message(bytes));
  }

  halfClosed(): void {
    if (!this.signal.aborted) this.#guard(() => this.#receiver?.halfClosed());
  }

  drain(): void {
    this.#draining.abort();
  }

  /** So many bytes have gone out. Throws where so many were not under way. */
  credit(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit > CREDIT)
      throw new MeshError('internal', `the front has sent more of stream ${this.#number} than there was`);
    this.wake();
  }

  /** Tells whoever waits that it may send, if it may. */
  wake(): void {
    if (!this.#isAwaited || this.#credit <= 0 || this.signal.aborted) return;
    if (!this.#wire.hasRoom) {
      this.#wire.wait(this);
      return;
    }
    this.#isAwaited = false;
    this.#guard(() => this.#receiver?.writable());
  }

  /** The front says that nothing comes or goes any more. */
  ended(): void {
    if (this.#frontEnded)
      throw new MeshError('internal', `the front ends stream ${this.#number} a second time`);
    this.#frontEnded = true;
    if (this.signal.aborted) return;
    this.#wire.write(endedFrame(this.#number, { code: GrpcCode.cancelled, message: '' }));
    this.#ended.abort();
  }

  /** The front is gone. */
  lost(): void {
    this.#frontEnded = true;
    this.#ended.abort();
  }

  #guard(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      this.fail(thrown);
    }
  }
}
