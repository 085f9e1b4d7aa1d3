import { afterEach, describe, expect, test } from '@jest/globals';
import {
  connect as tcpConnect,
  createServer as createTcpServer,
  type AddressInfo,
  type Socket,
} from 'node:net';
import { once } from 'node:events';
import { connect as tlsConnect, type TLSSocket } from 'node:tls';
import { toBinary, create } from '@bufbuild/protobuf';
import { createLogger, watched, type Settable } from '../base/index.js';
import { eventually } from '../testing/eventually.js';
import { testCa, type TestCa } from '../testing/test-ca.js';
import { IdentityAuthority } from '../wire/gen/weft/identity/v1/identity_pb.js';
import {
  AggregatedDiscoveryService,
  DeltaDiscoveryResponseSchema,
} from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import {
  GrpcCode,
  GrpcError,
  bidi,
  connectGrpc,
  startGrpcServer,
  unary,
  type Call,
  type GrpcClient,
  type GrpcServerOptions,
  type ResponseStream,
  type ServerIdentity,
} from './index.js';

const SERVER = 'spiffe://cluster.local/ns/weft-system/sa/weft';
const log = createLogger({ level: 'silent' });
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** A TCP relay that can stop passing bytes without closing anything, as a host that lost its power does. */
async function freezableRelay(port: number): Promise<{ port: number; freeze: () => void }> {
  const sockets: Socket[] = [];
  let frozen = false;
  const relay = createTcpServer((near) => {
    const far = tcpConnect(port, '127.0.0.1');
    sockets.push(near, far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (chunk) => {
        if (!frozen) to.write(chunk);
      });
      from.on('error', () => undefined);
    }
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  ends.push(() => {
    relay.close();
    sockets.forEach((socket) => socket.destroy());
  });
  return {
    port: (relay.address() as AddressInfo).port,
    freeze: () => {
      frozen = true;
    },
  };
}

interface Running {
  readonly ca: TestCa;
  readonly port: number;
  readonly stop: AbortController;
  readonly closed: Promise<void>;
  readonly identity: Settable<ServerIdentity>;
}

async function start(options: Partial<GrpcServerOptions>): Promise<Running> {
  const ca = await testCa();
  const identity = watched<ServerIdentity>(await ca.certificate(SERVER));
  const stop = new AbortController();
  const server = await startGrpcServer({ port: 0, identity, methods: [], log, ...options }, stop.signal);
  ends.push(() => stop.abort());
  return { ca, port: server.port, stop, closed: server.closed, identity };
}

async function client(server: Running): Promise<GrpcClient> {
  const made = await connectGrpc({ host: '127.0.0.1', port: server.port, roots: server.ca.roots });
  ends.push(() => made.session.destroy());
  return made;
}

const certify = IdentityAuthority.method.certify;
const deltas = AggregatedDiscoveryService.method.deltaAggregatedResources;
const echo = unary(certify, (request) => Promise.resolve({ chain: [request.csr] }));

describe('a unary call', () => {
  test('answers with the message and OK', async () => {
    const peer = await client(await start({ methods: [echo] }));
    const answer = await peer.unary(certify, { csr: Uint8Array.of(1, 2, 3) });
    expect([...answer.chain[0]!]).toEqual([1, 2, 3]);
  });

  test('gives the status a handler throws, with a message in any script', async () => {
    const methods = [
      unary(certify, () => Promise.reject(new GrpcError(GrpcCode.permissionDenied, 'no: 100 % ünmöglich\n'))),
    ];
    const peer = await client(await start({ methods }));
    await expect(peer.unary(certify, {})).rejects.toMatchObject({
      code: GrpcCode.permissionDenied,
      message: 'no: 100 % ünmöglich\n',
    });
  });

  test('keeps the text of an unexpected error to itself', async () => {
    const methods = [unary(certify, () => Promise.reject(new Error('secret path')))];
    const peer = await client(await start({ methods }));
    const failure = await peer.unary(certify, {}).catch((e: unknown) => e);
    expect(failure).toMatchObject({ code: GrpcCode.internal });
    expect(String(failure)).not.toContain('secret');
  });

  test('of an unknown method is UNIMPLEMENTED', async () => {
    const peer = await client(await start({ methods: [] }));
    await expect(peer.unary(certify, {})).rejects.toMatchObject({ code: GrpcCode.unimplemented });
  });

  test('with a message over the limit is RESOURCE_EXHAUSTED', async () => {
    const peer = await client(await start({ methods: [echo], maxMessageBytes: 1_000 }));
    await expect(peer.unary(certify, { csr: new Uint8Array(2_000) })).rejects.toMatchObject({
      code: GrpcCode.resourceExhausted,
    });
  });

  test("ends with DEADLINE_EXCEEDED when the client's deadline passes, and the handler's signal aborts", async () => {
    let call: Call | undefined;
    const methods = [
      unary(
        certify,
        (_request, c) =>
          new Promise(() => {
            call = c;
          }),
      ),
    ];
    const peer = await client(await start({ methods }));
    await expect(peer.unary(certify, {}, { 'grpc-timeout': '50m' })).rejects.toMatchObject({
      code: GrpcCode.deadlineExceeded,
    });
    expect(call?.signal.aborted).toBe(true);
  });

  test('that is no gRPC gets a plain HTTP error', async () => {
    const peer = await client(await start({ methods: [echo] }));
    const stream = peer.session.request({ ':method': 'GET', ':path': '/' });
    const [headers] = await once(stream, 'response');
    expect(headers[':status']).toBe(405);
  });
});

describe('TLS', () => {
  async function handshake(server: Running, options: object): Promise<TLSSocket> {
    const socket = tlsConnect({
      host: '127.0.0.1',
      port: server.port,
      ca: server.ca.roots,
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
      ...options,
    });
    ends.push(() => socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  }

  test('is 1.3 with post-quantum key exchange, and 1.2 is refused', async () => {
    const server = await start({});
    const socket = await handshake(server, { ecdhCurve: 'X25519MLKEM768' });
    expect(socket.getProtocol()).toBe('TLSv1.3');
    await expect(handshake(server, { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  });

  test('never resumes a session', async () => {
    const server = await start({ methods: [echo] });
    const first = await handshake(server, {});
    let session: Buffer | undefined;
    first.on('session', (s) => {
      session = s;
    });
    first.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    await eventually('a session ticket', () => session, 1_000).catch(() => undefined);
    const second = await handshake(server, { session: session ?? first.getSession() });
    expect(second.isSessionReused()).toBe(false);
  });

  test('handshakes that never finish do not keep others out, and are cut off', async () => {
    const server = await start({ methods: [echo], maxHandshakes: 8 });
    const silent: Socket[] = [];
    for (let i = 0; i < 20; i++)
      silent.push(tcpConnect({ host: '127.0.0.2', port: server.port, localAddress: '127.0.0.9' }));
    ends.push(() => silent.forEach((socket) => socket.destroy()));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    const peer = await client(server);
    expect((await peer.unary(certify, { csr: Uint8Array.of(7) })).chain).toHaveLength(1);
    await Promise.all(silent.slice(0, 2).map((socket) => once(socket.resume(), 'close')));
  }, 15_000);
});

describe('the gate before handshakes', () => {
  // Eight at once, two of them from one address.
  const gated = { methods: [echo], maxHandshakes: 8 };
  const from = '127.0.0.77';

  async function call(server: Running): Promise<number> {
    const { port, ca } = server;
    const peer = await connectGrpc({ host: '127.0.0.1', port, roots: ca.roots, localAddress: from });
    ends.push(() => peer.session.destroy());
    return (await peer.unary(certify, { csr: Uint8Array.of(1) })).chain.length;
  }

  test('lets the next in after handshakes that succeeded, failed, or were given up', async () => {
    const server = await start(gated);
    const answers = await Promise.all(Array.from({ length: 12 }, () => call(server)));
    expect(answers).toEqual(Array(12).fill(1));
    for (let i = 0; i < 6; i++) {
      const raw = tcpConnect({ host: '127.0.0.1', port: server.port, localAddress: from });
      await once(raw, 'connect');
      if (i % 2 === 0) raw.write('this is no TLS');
      else raw.destroy();
      ends.push(() => raw.destroy());
    }
    expect(await call(server)).toBe(1);
  });

  test('lets the next in when handshakes take long, and cuts those off in the end', async () => {
    const server = await start(gated);
    const port = server.port;
    const stalled = [1, 2].map(() => tcpConnect({ host: '127.0.0.1', port, localAddress: from }));
    ends.push(() => stalled.forEach((socket) => socket.destroy()));
    for (const socket of stalled) socket.write(Uint8Array.of(22, 3, 1, 2, 0, 1)); // of a ClientHello
    expect(await call(server)).toBe(1);
    await Promise.all(stalled.map((socket) => once(socket.resume(), 'close')));
  }, 15_000);
});

describe('a stream', () => {
  const some = (size: number) =>
    toBinary(DeltaDiscoveryResponseSchema, create(DeltaDiscoveryResponseSchema, { nonce: 'n'.repeat(size) }));

  function streaming(open: (call: ResponseStream) => void, onWritable: () => void = () => undefined) {
    return bidi(deltas, (call) => {
      call.start();
      open(call);
      return {
        message: (request) => {
          if (request.typeUrl === 'bad') throw new GrpcError(GrpcCode.invalidArgument, 'bad type');
          call.send([some(request.typeUrl.length)]);
        },
        writable: onWritable,
        halfClosed: () => call.finish({ code: GrpcCode.ok, message: '' }),
      };
    });
  }

  test('carries messages each way and ends with trailers', async () => {
    const peer = await client(await start({ methods: [streaming(() => undefined)] }));
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'abc' });
    expect((await stream.next())?.nonce).toBe('nnn');
    stream.send({ typeUrl: 'x'.repeat(30_000) });
    expect((await stream.next())?.nonce).toHaveLength(30_000);
    stream.end();
    expect(await stream.status).toEqual({ code: GrpcCode.ok, message: '' });
    expect(await stream.next()).toBeUndefined();
  });

  test('ends with the status a receiver throws while the client is still sending', async () => {
    const peer = await client(await start({ methods: [streaming(() => undefined)] }));
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'bad' });
    expect(await stream.status).toEqual({ code: GrpcCode.invalidArgument, message: 'bad type' });
  });

  test('tells the sender when the peer does not read, and when it reads again', async () => {
    let call: ResponseStream | undefined;
    let writable = 0;
    const peer = await client(
      await start({
        methods: [
          streaming(
            (c) => {
              call = c;
            },
            () => {
              writable++;
            },
          ),
        ],
      }),
    );
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'a' });
    await stream.next();
    stream.raw.pause();
    let sent = 0;
    while (call!.send([some(10_000)])) sent++;
    expect(sent).toBeLessThan(100);
    expect(writable).toBe(0);
    stream.raw.resume();
    await eventually('drain', () => writable > 0);
  });

  test("hears of the connection's age and may end in its own words", async () => {
    const methods = [
      streaming((call) =>
        call.draining.addEventListener('abort', () =>
          call.finish({ code: GrpcCode.unavailable, message: 'come back' }),
        ),
      ),
    ];
    const peer = await client(await start({ methods, maxConnectionAgeMs: 200 }));
    const stream = peer.bidi(deltas);
    const goaway = once(peer.session, 'goaway');
    expect(await stream.status).toEqual({ code: GrpcCode.unavailable, message: 'come back' });
    await goaway;
  });

  test('that outlives the drain of a stopping server is cut off, and the server has ended', async () => {
    const server = await start({ methods: [streaming(() => undefined)], drainMs: 100 });
    const peer = await client(server);
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'a' });
    await stream.next();
    server.stop.abort();
    await server.closed;
    expect((await stream.status).code).toBe(GrpcCode.unavailable);
  });

  test('of a client that is gone without a word ends when it answers no ping', async () => {
    let call: ResponseStream | undefined;
    const server = await start({
      methods: [
        streaming((c) => {
          call = c;
        }),
      ],
      pingMs: 100,
    });
    const relay = await freezableRelay(server.port);
    const peer = await client({ ...server, port: relay.port });
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'a' });
    await stream.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(call!.signal.aborted).toBe(false);
    relay.freeze();
    await eventually('the server gives up', () => call!.signal.aborted);
  });

  test('that the client resets ends quietly for the handler, also in the middle of an answer', async () => {
    let call: ResponseStream | undefined;
    const server = await start({
      methods: [
        streaming((c) => {
          call = c;
        }),
      ],
    });
    const peer = await client(server);
    for (let i = 0; i < 20; i++) {
      const stream = peer.bidi(deltas);
      stream.send({ typeUrl: 'a' });
      if (i % 2 === 0) await stream.next();
      stream.raw.close(8);
      await stream.status;
      for (let n = 0; n < 3; n++) call?.send([some(10)]);
      call?.finish({ code: GrpcCode.ok, message: '' });
      expect(call?.send([some(10)]) ?? false).toBe(false);
    }
    const again = peer.bidi(deltas);
    again.send({ typeUrl: 'a' });
    expect((await again.next())?.nonce).toBe('n');
  });

  test('that has ended is reset when the client does not read up to the end', async () => {
    let call: ResponseStream | undefined;
    const methods = [
      streaming((c) => {
        call = c;
      }),
    ];
    const peer = await client(await start({ methods }));
    const stream = peer.bidi(deltas);
    stream.send({ typeUrl: 'a' });
    await stream.next();
    stream.raw.pause();
    // More than the window of a stream, 64 KiB.
    for (let i = 0; i < 30; i++) call!.send([some(10_000)]);
    call!.finish({ code: GrpcCode.ok, message: '' });
    await eventually('reset', () => stream.raw.rstCode === 8, 8_000);
  }, 10_000);
});
