// What the rows are made of. All of it comes from one address, and nothing of it goes anywhere but to the target.
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { sleep } from '../../src/base/index.js';
import { HOSTILE, type Certificate, type Target } from './target.js';

export type Port = keyof Target['ports'];

/** A row's means: they end with the row. */
export class Weapons {
  readonly #target: Target;
  readonly #open = new Set<{ destroy: () => void }>();
  readonly signal: AbortSignal;

  constructor(target: Target, signal: AbortSignal) {
    this.#target = target;
    this.signal = signal;
    signal.addEventListener('abort', () => {
      for (const each of this.#open) each.destroy();
    });
  }

  /** A TCP connection, or one that was closed already. */
  tcp(port: Port): Socket {
    const at = { host: '127.0.0.1', port: this.#target.ports[port], localAddress: HOSTILE };
    return this.#keep(connectTcp(at));
  }

  /** TLS, once its handshake is done; undefined where it was refused. */
  async tls(port: Port, certificate?: Certificate): Promise<TLSSocket | undefined> {
    const socket = connectTls({
      socket: this.tcp(port),
      ca: this.#target.roots,
      ALPNProtocols: port === 'webhook' || port === 'view' ? ['http/1.1'] : ['h2'],
      checkServerIdentity: () => undefined,
      ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.privateKey }),
    });
    this.#keep(socket);
    return (await ends(socket, 'secureConnect')) ? socket : undefined;
  }

  /** HTTP/2 over TLS; undefined where it was refused. */
  async http2(port: Port, certificate?: Certificate): Promise<ClientHttp2Session | undefined> {
    const socket = await this.tls(port, certificate);
    if (socket === undefined) return undefined;
    const session = connectHttp2('https://weft', { createConnection: () => socket });
    session.on('error', () => undefined);
    return session;
  }

  /** What no pod can do, and a node that is short of time does: stops the front for a while. */
  async freezeFront(milliseconds: number): Promise<void> {
    process.kill(this.#target.front, 'SIGSTOP');
    await sleep(milliseconds);
    process.kill(this.#target.front, 'SIGCONT');
  }

  /** The certificate of an admitted pod that is not what it seems. */
  get admitted(): Certificate {
    return this.#target.hostile;
  }

  /** Does something again and again, several at once, until the row is over. */
  async flood(atOnce: number, act: () => Promise<unknown>): Promise<void> {
    const one = async (): Promise<void> => {
      while (!this.signal.aborted) {
        await act().catch(() => undefined);
        await sleep(1);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
  }

  /** Does something so many times and then waits for the end of the row. */
  async crowd(count: number, act: () => unknown): Promise<void> {
    for (let i = 0; i < count && !this.signal.aborted; i++) {
      act();
      if (i % 50 === 49) await sleep(1);
    }
    await sleep(60_000, this.signal).catch(() => undefined);
  }

  #keep<T extends { destroy: () => void } & NodeJS.EventEmitter>(thing: T): T {
    this.#open.add(thing);
    thing.on('error', () => undefined);
    thing.once('close', () => this.#open.delete(thing));
    return thing;
  }
}

/** A gRPC request on a session, whose body is written by the caller. */
export function grpc(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): ClientHttp2Stream | undefined {
  if (session.closed || session.destroyed) return undefined;
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => undefined);
  return stream;
}

/** True when it happens before the socket closes. */
async function ends(socket: TLSSocket, event: string): Promise<boolean> {
  const closed = new Promise<false>((resolve) => socket.once('close', () => resolve(false)));
  return Promise.race([
    once(socket, event).then(
      () => true,
      () => false,
    ),
    closed,
  ]);
}
