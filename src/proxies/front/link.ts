import type { Duplex } from 'node:stream';
import { MeshError, type Logger } from '../../base/index.js';
import type { GrpcStatus } from '../../grpc/index.js';
import {
  FrontReader,
  beatFrame,
  drainFrame,
  type FromFront,
  type FrontCounts,
  type Untrusted,
} from './frames.js';
import { FrontStream, type FrontMethod, type Wire } from './front-stream.js';
import { KnownPeers } from './known-peers.js';

export interface LinkOptions {
  /** In the order of the settings' paths. */
  readonly methods: readonly FrontMethod[];
  readonly log: Logger;
  /** It says something, whatever that is. */
  readonly heard: () => void;
  readonly listening: (port: number) => void;
  readonly counts: (counts: FrontCounts) => void;
  readonly untrusted: (untrusted: Untrusted) => void;
  /** What the front cannot use of certificates that changed; empty: it uses all of it. */
  readonly taken: (problem: string) => void;
  /** The socket has ended, with every stream; the error says what the front said wrong, unless it has just gone. */
  readonly lost: (why: MeshError | undefined) => void;
}

/** Bytes that may wait for a front that does not read; then streams wait. What ends and begins is small and does not. */
const MAX_UNREAD_BYTES = 2 * 1024 * 1024;
/** Messages are worked on for so long before everything else that waits for this thread has its turn. */
const TURN_MS = 4;

/** The control plane's end of the socket to the front: streams come out of it, and what they send goes in. */
export class FrontLink implements Wire {
  readonly #socket: Duplex;
  readonly #options: LinkOptions;
  readonly #reader = new FrontReader();
  readonly #streams = new Map<number, FrontStream>();
  readonly #waiting = new Set<FrontStream>();
  readonly #peers = new KnownPeers();
  #greeted = false;
  #isCorked = false;
  #isLost = false;
  #isWaking = false;

  constructor(socket: Duplex, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      this.#work();
    });
    socket.on('drain', () => this.#wake());
    // Such as of what was written when the front had gone: how it went says more.
    socket.on('error', () => this.#lose(undefined));
    socket.on('close', () => this.#lose(undefined));
    socket.on('end', () => this.#lose(undefined));
  }

  /** Streams that are open, those included of which only one side has said that they ended. */
  get size(): number {
    return this.#streams.size;
  }

  get hasRoom(): boolean {
    if (this.#socket.writableLength >= MAX_UNREAD_BYTES) return false;
    // Nobody overtakes those that wait.
    return this.#waiting.size === 0 || this.#isWaking;
  }

  /** What is written in one turn of the event loop goes out together. */
  write(frame: Buffer): void {
    if (this.#isLost) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame);
  }

  wait(stream: FrontStream): void {
    this.#waiting.add(stream);
  }

  /** This process lives. A front that does not read needs not be told more than once. */
  beat(): void {
    if (this.#socket.writableLength === 0) this.write(beatFrame());
  }

  /** Ends every stream; the front is told, and hears of it when it reads. */
  finishAll(status: GrpcStatus): void {
    for (const stream of this.#streams.values()) stream.finish(status);
  }

  /** Every connection should end soon, and then the front. */
  drain(): void {
    this.write(drainFrame());
  }

  #wake(): void {
    // Who fills the room waits again behind all others.
    this.#isWaking = true;
    for (const stream of this.#waiting) {
      if (!this.hasRoom) break;
      this.#waiting.delete(stream);
      stream.wake();
    }
    this.#isWaking = false;
  }

  #work(): void {
    const until = performance.now() + TURN_MS;
    try {
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        this.#take(frame);
        if (this.#isLost) return;
        if (performance.now() < until) continue;
        this.#socket.pause();
        setImmediate(() => {
          if (!this.#isLost) this.#work();
        });
        return;
      }
      this.#socket.resume();
    } catch (thrown) {
      this.#lose(MeshError.from(thrown));
    }
  }

  #take(frame: FromFront): void {
    this.#options.heard();
    if (!this.#greeted) {
      if (frame.kind !== 'hello') throw new MeshError('internal', 'the front does not say hello first');
      this.#greeted = true;
      return;
    }
    if (!('stream' in frame)) this.#ofFront(frame);
    else if (frame.kind === 'opened') this.#open(frame);
    else this.#ofStream(frame);
  }

  #ofFront(frame: Exclude<FromFront, { stream: number }>): void {
    switch (frame.kind) {
      case 'hello':
        throw new MeshError('internal', 'the front says hello a second time');
      case 'listening':
        this.#options.listening(frame.port);
        break;
      case 'counts':
        this.#options.counts(frame.counts);
        break;
      case 'untrusted':
        this.#options.untrusted(frame.untrusted);
        break;
      case 'taken':
        this.#options.taken(frame.problem);
    }
  }

  #open({ stream: number, method: place, address, der }: FromFront & { kind: 'opened' }): void {
    const method = this.#options.methods[place];
    if (method === undefined || this.#streams.has(number))
      throw new MeshError('internal', `the front opens stream ${number} for method ${place}`);
    const { log } = this.#options;
    const parts = { peer: this.#peers.of(address, der), wire: this, log };
    const stream = new FrontStream(number, parts);
    this.#streams.set(number, stream);
    stream.signal.addEventListener('abort', () => this.#waiting.delete(stream), { once: true });
    stream.serve(method);
  }

  #ofStream(frame: Exclude<Extract<FromFront, { stream: number }>, { kind: 'opened' }>): void {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined)
      throw new MeshError('internal', `the front speaks of stream ${frame.stream}, which there is not`);
    switch (frame.kind) {
      case 'message':
        stream.message(frame.bytes);
        break;
      case 'credit':
        stream.credit(frame.bytes);
        break;
      case 'halfClosed':
        stream.halfClosed();
        break;
      case 'draining':
        stream.drain();
        break;
      case 'ended':
        stream.ended();
        this.#streams.delete(frame.stream);
    }
  }

  #lose(why: MeshError | undefined): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#socket.destroy();
    for (const stream of this.#streams.values()) stream.lost();
    this.#streams.clear();
    this.#waiting.clear();
    this.#options.lost(why);
  }
}
