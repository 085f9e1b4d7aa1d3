import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { X509Certificate } from 'node:crypto';
import { duplexPair, type Duplex } from 'node:stream';
import { GrpcCode, pathOf, type GrpcStatus } from '../grpc/index.js';
import type { Front } from '../proxies/index.js';

/** A proxy's stream, as a test holds it. */
export interface StandInStream<I, O> {
  send(request: I): void;
  /** No more requests. */
  end(): void;
  /** The proxy is gone. */
  close(): void;
  /** The next response; undefined when the stream has ended. */
  next(): Promise<O | undefined>;
  /** How it ended. */
  readonly status: Promise<GrpcStatus>;
}

interface Open {
  message(bytes: Buffer): void;
  ended(status: GrpcStatus): void;
  drain(): void;
  /** The control plane reads on after the first message. */
  readOn(): void;
}

const HELLO = 'weft-front 1';
/** Where every proxy calls from. */
const ADDRESS = '127.0.0.1';
const HEAD = 9;
/** As many bytes of messages as are taken before the control plane has credit again. */
const CREDIT_EVERY = 4_096;

/** A frame, whatever it is. */
export function aFrame(stream: number, kind: number, body: Uint8Array = new Uint8Array()): Buffer {
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(stream, 0);
  head.writeUInt8(kind, 4);
  head.writeUInt32BE(body.length, 5);
  return Buffer.concat([head, body]);
}

/**
 * Stands in for the front of the port for proxies, in process and without a network: speaks its frames, and opens streams of whoever the
 * test says. Nothing is verified here; what is judged of a certificate by its chain is tested with the real front.
 */
export class FrontStandIn {
  readonly #open = new Map<number, Open>();
  readonly #settled = Promise.withResolvers<readonly string[]>();
  readonly #ended = Promise.withResolvers<string>();
  #socket: Duplex | undefined;
  /** The control plane's end. */
  #theirs: Duplex | undefined;
  #arrived: Buffer = Buffer.alloc(0);
  #last = 0;
  /** The control plane has asked for the end. */
  #isDraining = false;

  /** To be passed as `front`. */
  readonly start = (): Front => {
    const [ours, theirs] = duplexPair();
    this.#socket = ours;
    this.#theirs = theirs;
    ours.on('data', (chunk: Buffer) => {
      this.#arrived = Buffer.concat([this.#arrived, chunk]);
      this.#read();
    });
    ours.on('error', () => undefined);
    ours.on('close', () => this.end('the socket was closed'));
    return { socket: theirs, ended: this.#ended.promise, kill: () => this.end('killed') };
  };

  /** The process has ended. */
  end(how: string): void {
    this.#ended.resolve(how);
    this.#socket?.destroy();
    for (const stream of this.#open.values())
      stream.ended({ code: GrpcCode.unavailable, message: 'the front is gone' });
    this.#open.clear();
  }

  /** Writes to the control plane. */
  write(bytes: Uint8Array): void {
    if (this.#socket?.destroyed === false) this.#socket.write(bytes);
  }

  /** Reads nothing until `thaw`. */
  freeze(): void {
    this.#socket?.pause();
  }

  thaw(): void {
    this.#socket?.resume();
  }

  /** Bytes that wait in the control plane until the front reads. */
  unread(): number {
    return this.#theirs?.writableLength ?? 0;
  }

  /** A stream of a proxy that showed this certificate (PEM). */
  async connect<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    { chain }: { chain: string },
  ): Promise<StandInStream<MessageInitShape<I>, MessageShape<O>>> {
    const paths = await this.#settled.promise;
    const place = paths.indexOf(pathOf(method));
    const number = ++this.#last;
    const stream = new Streaming(method, (kind, body) => this.write(aFrame(number, kind, body)));
    this.#open.set(number, stream);
    const peer = Buffer.concat([Buffer.of(place, ADDRESS.length), Buffer.from(ADDRESS)]);
    this.write(aFrame(number, 1, Buffer.concat([peer, new X509Certificate(chain).raw])));
    return stream;
  }

  #read(): void {
    while (this.#arrived.length >= HEAD && this.#socket?.destroyed === false) {
      const length = this.#arrived.readUInt32BE(5);
      if (this.#arrived.length < HEAD + length) return;
      const [stream, kind] = [this.#arrived.readUInt32BE(0), this.#arrived.readUInt8(4)];
      const body = this.#arrived.subarray(HEAD, HEAD + length);
      this.#arrived = this.#arrived.subarray(HEAD + length);
      if (stream === 0) this.#hear(kind, body);
      else this.#hearOf(stream, kind, body);
    }
  }

  #hear(kind: number, body: Buffer): void {
    if (kind === 7) {
      this.write(aFrame(0, 6, Buffer.from(HELLO)));
      this.write(aFrame(0, 9, Buffer.of(0, 1)));
      this.#settled.resolve((JSON.parse(body.toString()) as { paths: string[] }).paths);
    }
    if (kind === 5) {
      this.#isDraining = true;
      for (const stream of this.#open.values()) stream.drain();
      this.#endIfOver();
    }
  }

  #hearOf(number: number, kind: number, body: Buffer): void {
    // One that a test has written itself.
    if (number > this.#last) return;
    const stream = this.#open.get(number);
    if (stream === undefined) throw new Error(`the control plane speaks of stream ${number}`);
    if (kind === 0) stream.message(body);
    if (kind === 4) stream.readOn();
    if (kind !== 3) return;
    this.#open.delete(number);
    stream.ended({ code: body[0] ?? 0, message: body.toString('utf8', 1) });
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (this.#isDraining && this.#open.size === 0) this.end('done');
  }
}

class Streaming<I extends DescMessage, O extends DescMessage>
  implements Open, StandInStream<MessageInitShape<I>, MessageShape<O>>
{
  readonly #method: DescMethodBiDiStreaming<I, O>;
  readonly #write: (kind: number, body?: Uint8Array) => void;
  readonly #ready: Buffer[] = [];
  readonly #ended = Promise.withResolvers<GrpcStatus>();
  /** What the proxy has sent and the control plane does not read yet. */
  #unsent: (() => void)[] = [];
  #isFirst = true;
  #reads = false;
  #taken = 0;
  #wake: (() => void) | undefined;
  #over = false;
  #isClosed = false;

  constructor(method: DescMethodBiDiStreaming<I, O>, write: (kind: number, body?: Uint8Array) => void) {
    this.#method = method;
    this.#write = write;
  }

  get status(): Promise<GrpcStatus> {
    return this.#ended.promise;
  }

  send(request: MessageInitShape<I>): void {
    const bytes = toBinary(this.#method.input, create(this.#method.input, request));
    this.#asRead(() => this.#write(0, bytes));
    this.#isFirst = false;
  }

  end(): void {
    this.#asRead(() => this.#write(2));
  }

  close(): void {
    if (this.#over || this.#isClosed) return;
    this.#isClosed = true;
    this.#write(3);
  }

  async next(): Promise<MessageShape<O> | undefined> {
    while (this.#ready.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const bytes = this.#ready.shift();
    if (bytes === undefined) return undefined;
    this.#taken += bytes.length + 5;
    if (this.#taken >= CREDIT_EVERY && !this.#over) {
      const credit = Buffer.alloc(4);
      credit.writeUInt32BE(this.#taken);
      this.#write(4, credit);
      this.#taken = 0;
    }
    return fromBinary(this.#method.output, bytes);
  }

  message(bytes: Buffer): void {
    this.#ready.push(bytes);
    this.#wake?.();
  }

  drain(): void {
    if (!this.#isClosed) this.#write(5);
  }

  readOn(): void {
    this.#reads = true;
    for (const send of this.#unsent.splice(0)) send();
  }

  ended(status: GrpcStatus): void {
    if (!this.#isClosed) this.#write(3);
    this.#over = true;
    this.#unsent = [];
    this.#ended.resolve(status);
    this.#wake?.();
  }

  #asRead(send: () => void): void {
    if (this.#over || this.#isClosed) return;
    if (this.#reads || this.#isFirst) send();
    else this.#unsent.push(send);
  }
}
