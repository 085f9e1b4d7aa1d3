import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { jittered } from '../base/backoff.js';
import { canonicalAddress } from '../base/listener/index.js';
import type { Peer } from './call.js';
import type { Patrolled, Rounds } from './rounds.js';

export interface ConnectionOptions {
  /** A peer that sends nothing for a round is pinged, and one that sends nothing for another is gone. */
  readonly rounds: Rounds;
  /** After so long, and up to 10 % more, the connection is asked to end, in milliseconds. */
  readonly maxAgeMs: number;
  /** How long calls may go on once the connection was asked to end, in milliseconds. */
  readonly drainMs: number;
  /** How long it may be without a call, in milliseconds; undefined: as long as it likes. */
  readonly idleMs?: number | undefined;
}

/** One HTTP/2 connection: who it is, whether it still lives, and how it ends. */
export class Connection implements Patrolled {
  readonly peer: Peer;
  readonly #session: ServerHttp2Session;
  readonly #drainMs: number;
  readonly #idleMs: number | undefined;
  #idle: NodeJS.Timeout | undefined;
  #calls = 0;
  readonly #draining = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Bytes that the peer had sent when we looked last. */
  #heard = 0;
  #isPinged = false;

  constructor(session: ServerHttp2Session, options: ConnectionOptions) {
    this.#session = session;
    this.#drainMs = options.drainMs;
    this.#idleMs = options.idleMs;
    this.#rest();
    this.peer = peerOf(session);
    const age = jittered(options.maxAgeMs, 0.1);
    this.#timers.push(setTimeout(() => this.drain(), age).unref());
    const leave = options.rounds.add(this);
    session.once('close', () => {
      leave();
      this.#clear();
    });
  }

  /** Aborts when the connection has been asked to end. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** A call has begun; the connection is idle again when the last one has ended. */
  carries(stream: ServerHttp2Stream): void {
    clearTimeout(this.#idle);
    this.#calls += 1;
    stream.once('close', () => {
      this.#calls -= 1;
      if (this.#calls === 0) this.#rest();
    });
  }

  #rest(): void {
    if (this.#idleMs !== undefined) this.#idle = setTimeout(() => this.drain(), this.#idleMs).unref();
  }

  /** GOAWAY, then time for the calls under way, then the end. */
  drain(): void {
    if (this.#draining.signal.aborted || this.#session.destroyed) return;
    this.#timers.push(setTimeout(() => this.#session.destroy(), this.#drainMs).unref());
    this.#session.close();
    this.#draining.abort();
  }

  /** Whatever the peer sends shows that it is there, an answer to our ping like a ping of its own. */
  look(): void {
    if (this.#session.destroyed) return;
    const heard = this.#session.socket.bytesRead;
    if (heard !== this.#heard) {
      this.#heard = heard;
      this.#isPinged = false;
    } else if (this.#isPinged) {
      this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
    } else {
      this.#isPinged = this.#session.ping(() => undefined);
    }
  }

  #clear(): void {
    clearTimeout(this.#idle);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#draining.abort();
  }
}

function peerOf(session: ServerHttp2Session): Peer {
  return { address: canonicalAddress(session.socket.remoteAddress ?? '') ?? '' };
}
