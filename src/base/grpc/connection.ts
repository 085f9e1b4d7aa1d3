import { constants, type ServerHttp2Session } from 'node:http2';
import { TLSSocket } from 'node:tls';
import { jittered } from '../backoff.js';
import { canonicalAddress } from './address.js';
import type { Peer } from './call.js';

export interface ConnectionOptions {
  /** A ping goes out after so long, in milliseconds, and no answer within the same time ends the connection. */
  readonly pingMs: number;
  /** After so long, and up to 10 % more, the connection is asked to end, in milliseconds. */
  readonly maxAgeMs: number;
  /** How long calls may go on once the connection was asked to end, in milliseconds. */
  readonly drainMs: number;
}

/** One HTTP/2 connection: who it is, whether it still lives, and how it ends. */
export class Connection {
  readonly peer: Peer;
  readonly #session: ServerHttp2Session;
  readonly #drainMs: number;
  readonly #draining = new AbortController();
  readonly #timers: NodeJS.Timeout[] = [];
  /** Set while a ping has no answer: ends the connection. */
  #unanswered: NodeJS.Timeout | undefined;

  constructor(session: ServerHttp2Session, options: ConnectionOptions) {
    this.#session = session;
    this.#drainMs = options.drainMs;
    this.peer = peerOf(session);
    const age = Math.min(jittered(options.maxAgeMs, 0.1), certificateLeftMs(this.peer));
    this.#timers.push(
      setTimeout(() => this.drain(), age).unref(),
      setInterval(() => this.#ping(options.pingMs), options.pingMs).unref(),
    );
    session.once('close', () => this.#clear());
  }

  /** Aborts when the connection has been asked to end. */
  get draining(): AbortSignal {
    return this.#draining.signal;
  }

  /** GOAWAY, then time for the calls under way, then the end. */
  drain(): void {
    if (this.#draining.signal.aborted || this.#session.destroyed) return;
    this.#timers.push(setTimeout(() => this.#session.destroy(), this.#drainMs).unref());
    this.#session.close();
    this.#draining.abort();
  }

  /** One ping at a time; without an answer to it, the peer is gone. */
  #ping(withinMs: number): void {
    if (this.#session.destroyed || this.#unanswered !== undefined) return;
    const sent = this.#session.ping(() => {
      clearTimeout(this.#unanswered);
      this.#unanswered = undefined;
    });
    if (!sent) return;
    const end = (): void => this.#session.destroy(undefined, constants.NGHTTP2_CANCEL);
    this.#unanswered = setTimeout(end, withinMs).unref();
  }

  #clear(): void {
    clearTimeout(this.#unanswered);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#draining.abort();
  }
}

function peerOf(session: ServerHttp2Session): Peer {
  const socket = session.socket;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  return { address: canonicalAddress(socket.remoteAddress ?? '') ?? '', certificate };
}

/** A connection does not outlive the certificate that opened it. */
function certificateLeftMs(peer: Peer): number {
  if (peer.certificate === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, peer.certificate.validToDate.getTime() - Date.now());
}
