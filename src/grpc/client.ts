import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { FrameReader, frame } from './framing.js';
import { pathOf } from './method.js';
import { GrpcError, GrpcCode, decodeMessage, type GrpcStatus } from './status.js';

export interface GrpcClientOptions {
  readonly host: string;
  readonly port: number;
  /** PEM of the roots the server must chain to. */
  readonly roots: string;
  /** Client certificate, for servers that require one; chain and PKCS#8 key in PEM. */
  readonly certificate?: { readonly chain: string; readonly privateKey: string };
  /** Address to connect from, for hosts with several. */
  readonly localAddress?: string;
  /**
   * Judges the server's certificate once it chains to the roots. The error says why not. There is no check of host
   * names: in the mesh the name that counts is the SPIFFE one.
   */
  readonly checkServer?: (subjectAltName: string) => Error | undefined;
}

/** A connected client. Small on purpose: it serves tests and diagnosis, one connection each. */
export interface GrpcClient {
  readonly session: ClientHttp2Session;
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    headers?: Readonly<Record<string, string>>,
  ): Promise<MessageShape<O>>;
  bidi<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    headers?: Readonly<Record<string, string>>,
  ): ClientStream<MessageInitShape<I>, MessageShape<O>>;
  close(): void;
}

/** A bidirectional call seen from the client. */
export interface ClientStream<I, O> {
  readonly raw: ClientHttp2Stream;
  send(request: I): void;
  /** No more requests. */
  end(): void;
  /** The next response; undefined when the server ended the call (see `status`). */
  next(): Promise<O | undefined>;
  /** How the call ended. */
  readonly status: Promise<GrpcStatus>;
}

/** Connects and finishes the TLS handshake; throws what went wrong with it. */
export async function connectGrpc(options: GrpcClientOptions): Promise<GrpcClient> {
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  const session = connect(`https://${host}:${options.port}`, {
    ca: options.roots,
    minVersion: 'TLSv1.3',
    ALPNProtocols: ['h2'],
    ...(options.certificate === undefined
      ? {}
      : { cert: options.certificate.chain, key: options.certificate.privateKey }),
    ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    checkServerIdentity: (_host: string, cert: { subjectaltname?: string }) =>
      options.checkServer?.(cert.subjectaltname ?? ''),
  });
  await once(session, 'connect');
  session.on('error', () => session.destroy());
  return {
    session,
    unary: async (method, request, headers) => unaryCall(session, method, request, headers),
    bidi: (method, headers) => new BidiStream(session, method, headers),
    close: () => session.close(),
  };
}

async function unaryCall<I extends DescMessage, O extends DescMessage>(
  session: ClientHttp2Session,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  headers: Readonly<Record<string, string>> = {},
): Promise<MessageShape<O>> {
  const stream = new RawStream(session, pathOf(method), headers);
  stream.raw.end(frame([toBinary(method.input, create(method.input, request))]));
  const bytes = await stream.next();
  const status = await stream.status;
  if (status.code !== GrpcCode.ok || bytes === undefined) throw new GrpcError(status.code, status.message);
  return fromBinary(method.output, bytes);
}

class RawStream {
  readonly raw: ClientHttp2Stream;
  readonly status: Promise<GrpcStatus>;
  readonly #ready: Uint8Array[] = [];
  #wake: (() => void) | undefined;
  #over = false;

  constructor(session: ClientHttp2Session, path: string, headers: Readonly<Record<string, string>>) {
    this.raw = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    const reader = new FrameReader(64 * 1024 * 1024);
    this.raw.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      for (let message = reader.next(); message !== undefined; message = reader.next())
        this.#ready.push(message);
      this.#wake?.();
    });
    this.status = this.#ending();
  }

  async next(): Promise<Uint8Array | undefined> {
    while (this.#ready.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#ready.shift();
  }

  async #ending(): Promise<GrpcStatus> {
    let status: GrpcStatus = { code: GrpcCode.unavailable, message: 'the connection ended without a status' };
    const read = (headers: Record<string, string | string[] | number | undefined>): void => {
      const code = headers['grpc-status'];
      if (code !== undefined)
        status = { code: Number(code), message: decodeMessage(String(headers['grpc-message'] ?? '')) };
    };
    this.raw.on('response', read);
    this.raw.on('trailers', read);
    this.raw.on('error', () => this.raw.destroy());
    await new Promise<void>((resolve) => {
      this.raw.on('close', resolve);
    });
    this.#over = true;
    this.#wake?.();
    return status;
  }
}

class BidiStream<I extends DescMessage, O extends DescMessage> implements ClientStream<
  MessageInitShape<I>,
  MessageShape<O>
> {
  readonly #stream: RawStream;
  readonly #method: DescMethodBiDiStreaming<I, O>;

  constructor(
    session: ClientHttp2Session,
    method: DescMethodBiDiStreaming<I, O>,
    headers: Readonly<Record<string, string>> = {},
  ) {
    this.#method = method;
    this.#stream = new RawStream(session, pathOf(method), headers);
  }

  get raw(): ClientHttp2Stream {
    return this.#stream.raw;
  }

  get status(): Promise<GrpcStatus> {
    return this.#stream.status;
  }

  send(request: MessageInitShape<I>): void {
    this.#stream.raw.write(frame([toBinary(this.#method.input, create(this.#method.input, request))]));
  }

  end(): void {
    this.#stream.raw.end();
  }

  async next(): Promise<MessageShape<O> | undefined> {
    const bytes = await this.#stream.next();
    return bytes === undefined ? undefined : fromBinary(this.#method.output, bytes);
  }
}
