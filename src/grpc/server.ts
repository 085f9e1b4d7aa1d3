import { constants as crypto } from 'node:crypto';
import { once } from 'node:events';
import {
  createSecureServer,
  type Http2SecureServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer, type Server } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Logger } from '../base/log.js';
import type { Watched } from '../base/watched.js';
import {
  DOOR_SOCKETS,
  FrontDoor,
  addressOf,
  type ConnectionLimits,
  type ListenerMetrics,
} from '../base/listener/index.js';
import { ServerCall, refuse, type Method } from './call.js';
import { Connection } from './connection.js';
import { deadlineMs } from './deadline.js';
import { Rounds } from './rounds.js';
import { GrpcCode } from './status.js';

/** What a server proves itself with, all in PEM. */
export interface ServerIdentity {
  /** Leaf first, then the issuers below the root. */
  readonly chain: string;
  /** PKCS#8. */
  readonly privateKey: string;
  /** What peers must chain to, where they are asked for a certificate: the front of the port for proxies does. */
  readonly roots: string;
}

export interface GrpcServerOptions {
  /** Default: every address, IPv6 and IPv4, or IPv4 alone on a host without IPv6. */
  readonly host?: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** New connections use the newest; `maxConnectionAgeMs` brings the old ones along. */
  readonly identity: Watched<ServerIdentity>;
  readonly methods: readonly Method[];
  readonly log: Logger;
  /** Bytes of one request message. Default 64 KiB. */
  readonly maxMessageBytes?: number;
  /** Longest life of a unary or streaming call, for methods that should be short. Default none. */
  readonly callTimeoutMs?: number;
  /** Calls at once on one connection. Default 16. */
  readonly maxStreams?: number;
  /** A peer that is silent for so long is pinged, and gone after as long again. Default 20 s; below 10 s a storm of handshakes would make healthy connections look dead. */
  readonly pingMs?: number;
  /** Default 30 min, and up to 10 % more. It carries new certificates to old connections and rebalances replicas. */
  readonly maxConnectionAgeMs?: number;
  /** How long calls may go on after a connection was asked to end. Default 5 s. */
  readonly drainMs?: number;
  /** TLS handshakes at once. Default 16, of which a quarter from one address. */
  readonly maxHandshakes?: number;
  /** Connections at once and new ones, in all and for each address. Default 12,000 at once, whosever they are. */
  readonly connections?: ConnectionLimits;
  /** How long a connection may be without a call before it is asked to end. Default: as long as it likes. */
  readonly idleMs?: number;
  readonly metrics?: ListenerMetrics | undefined;
  /** Name in metrics. Default `grpc`. */
  readonly name?: string;
}

export interface GrpcServer {
  readonly port: number;
  /** Settles when, after the signal, the last connection is gone. */
  readonly closed: Promise<void>;
}

const PING_MS = 20_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const BACKLOG = 4_096;
const CONNECTIONS: ConnectionLimits = {
  total: 12_000,
  perAddress: 12_000,
  newPerAddress: { burst: 12_000, everyMs: 0.1 },
};

/** Listens; resolves once the port is bound. When the signal aborts, connections get GOAWAY and `drainMs` to end. */
export async function startGrpcServer(options: GrpcServerOptions, signal: AbortSignal): Promise<GrpcServer> {
  const server = new GrpcListener(options, signal);
  return server.listen();
}

class GrpcListener {
  readonly #options: GrpcServerOptions;
  readonly #signal: AbortSignal;
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #connections = new Map<Http2Session, Connection>();
  readonly #http2: Http2SecureServer;
  readonly #tcp: Server;
  readonly #door: FrontDoor;
  readonly #rounds: Rounds;

  constructor(options: GrpcServerOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
    this.#rounds = new Rounds(options.pingMs ?? PING_MS);
    this.#methods = new Map(options.methods.map((method) => [method.path, method]));
    this.#http2 = createSecureServer({
      ...this.#tls(),
      ALPNCallback: chooseHttp2,
      allowHTTP1: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      settings: {
        maxConcurrentStreams: options.maxStreams ?? 16,
        enablePush: false,
        maxHeaderListSize: 16_384,
      },
    });
    const { name = 'grpc', connections: limits = CONNECTIONS, maxHandshakes, metrics } = options;
    this.#door = new FrontDoor({ name, limits, maxHandshakes, metrics }, (socket) =>
      this.#http2.emit('connection', socket),
    );
    this.#tcp = createServer(DOOR_SOCKETS, (socket) => this.#door.enter(socket));
  }

  async listen(): Promise<GrpcServer> {
    this.#http2.on('session', (session) => this.#accept(session));
    this.#http2.on('stream', (stream, headers) => this.#serve(stream, headers));
    this.#http2.on('secureConnection', (socket: TLSSocket) => this.#door.done(socket));
    this.#http2.on('tlsClientError', (error: Error, socket: TLSSocket) =>
      this.#handshakeFailed(error, socket),
    );
    this.#http2.on('sessionError', (error: Error) =>
      this.#options.log.debug({ err: error.message }, 'a connection failed'),
    );
    this.#options.identity.subscribe(() => this.#http2.setSecureContext(this.#tls()), this.#signal);
    const { host, port: wanted } = this.#options;
    this.#tcp.listen({ ...(host === undefined ? {} : { host }), port: wanted, backlog: BACKLOG });
    await once(this.#tcp, 'listening', { signal: this.#signal });
    this.#tcp.on('error', (error) => this.#options.log.warn({ err: error }, 'could not accept a connection'));
    const address = this.#tcp.address();
    const port = typeof address === 'object' && address !== null ? address.port : wanted;
    return { port, closed: this.#closed() };
  }

  #handshakeFailed(error: Error, socket: TLSSocket): void {
    this.#options.log.debug({ err: error.message, peer: addressOf(socket) }, 'a TLS handshake failed');
  }

  #tls(): object {
    const { chain, privateKey } = this.#options.identity.current;
    return {
      cert: chain,
      key: privateKey,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ecdhCurve: 'X25519MLKEM768:X25519:P-256',
      ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256',
      // Nothing of a connection outlives it.
      secureOptions: crypto.SSL_OP_NO_TICKET,
    };
  }

  #accept(session: ServerHttp2Session): void {
    const { maxConnectionAgeMs: maxAgeMs = 1_800_000, drainMs = 5_000 } = this.#options;
    session.on('error', (error: Error) =>
      this.#options.log.debug({ err: error.message }, 'a connection failed'),
    );
    const { idleMs } = this.#options;
    const connection = new Connection(session, { rounds: this.#rounds, maxAgeMs, drainMs, idleMs });
    this.#connections.set(session, connection);
    session.once('close', () => this.#connections.delete(session));
    if (this.#signal.aborted) connection.drain();
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', (error) => this.#options.log.debug({ err: error.message }, 'a stream failed'));
    const connection = stream.session === undefined ? undefined : this.#connections.get(stream.session);
    if (connection === undefined) {
      stream.close();
      return;
    }
    connection.carries(stream);
    const httpStatus = refusedByHttp(headers);
    if (httpStatus !== undefined) {
      stream.respond({ ':status': httpStatus }, { endStream: true });
      return;
    }
    const path = headers[':path'] ?? '';
    const method = this.#methods.get(path);
    if (method === undefined) {
      refuse(stream, { code: GrpcCode.unimplemented, message: `no such method: ${path}` });
      return;
    }
    const call = new ServerCall(stream, headers, {
      path,
      peer: connection.peer,
      draining: connection.draining,
      maxMessageBytes: this.#options.maxMessageBytes ?? 65_536,
      timeoutMs: shortest(deadlineMs(headers['grpc-timeout']), this.#options.callTimeoutMs),
      log: this.#options.log,
    });
    call.serve(method);
  }

  /** Waits for the signal, then for the last connection. */
  async #closed(): Promise<void> {
    if (!this.#signal.aborted) await once(this.#signal, 'abort');
    const ended = [...this.#connections.keys()].map(
      (session) => new Promise((done) => session.once('close', done)),
    );
    const stopped = new Promise((done) => this.#tcp.close(done));
    this.#door.close();
    for (const connection of this.#connections.values()) connection.drain();
    await Promise.all([stopped, ...ended]);
    this.#rounds.stop();
  }
}

/**
 * In the place of a list of protocols: Node.js copies a list for each connection into its pool of buffers, and three bytes
 * that live as long as a connection keep 64 KB of the pool, which was 9 KB a connection. Undefined ends the handshake.
 */
function chooseHttp2({ protocols }: { readonly protocols: readonly string[] }): string | undefined {
  return protocols.includes('h2') ? 'h2' : undefined;
}

/** What is not gRPC is answered in plain HTTP. */
function refusedByHttp(headers: IncomingHttpHeaders): number | undefined {
  if (headers[':method'] !== 'POST') return 405;
  return /^application\/grpc(\+proto)?(;|$)/.test(headers['content-type'] ?? '') ? undefined : 415;
}

function shortest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
