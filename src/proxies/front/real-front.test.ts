import { afterEach, describe, expect, test } from '@jest/globals';
import { execFile } from 'node:child_process';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { createListenerMetrics } from '../../base/listener/index.js';
import { Metrics } from '../../base/index.js';
import { GrpcCode, connectGrpc, type GrpcClientOptions } from '../../grpc/index.js';
import { builtFront, builtProxy } from '../../testing/built-front.js';
import {
  DESTINATION,
  REVIEWS,
  SERVER,
  WEB,
  WORKLOAD,
  endAll,
  startConfig,
} from '../../testing/config-server.js';
import { eventually } from '../../testing/eventually.js';
import { aSplitPolicy, aWorkload } from '../../testing/mesh-fixture.js';
import { testCa } from '../../testing/test-ca.js';
import type { Front } from './program.js';

/** With the front as it ships, over TLS. A step of the suite that has built the proxy runs it. */
const real = builtProxy === undefined ? describe.skip : describe;
const { AggregatedDiscoveryService } = await import('../../wire/gen/envoy/service/discovery/v3/ads_pb.js');
const deltas = AggregatedDiscoveryService.method.deltaAggregatedResources;

type Subscribed = Awaited<ReturnType<Awaited<ReturnType<typeof start>>['subscribe']>>;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
  endAll();
});

async function start(options: Parameters<typeof startConfig>[0] = {}) {
  const metrics = new Metrics();
  const listeners = createListenerMetrics(metrics);
  let started: Front | undefined;
  const front = (): Front => (started = builtFront()());
  const running = await startConfig({ host: '127.0.0.1', listeners, metrics, front, ...options });
  const open = async (as = WEB, given: Partial<GrpcClientOptions> = {}) => {
    const certificate = await running.ca.certificate(as);
    const at = { host: '127.0.0.1', port: running.port.port, roots: running.ca.roots };
    const client = await connectGrpc({ ...at, certificate, ...given });
    ends.push(() => client.session.destroy());
    return client;
  };
  const subscribe = async (...given: Parameters<typeof open>) => {
    const stream = (await open(...given)).bidi(deltas);
    stream.send({ node: { id: 'web-1' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    return stream;
  };
  const says = (line: string) => eventually(line, async () => (await metrics.text()).includes(line), 15_000);
  return { running, open, subscribe, says, front: () => started! };
}

async function served(stream: Pick<Subscribed, 'next' | 'status'>) {
  const response = await stream.next();
  if (response === undefined) throw new Error(JSON.stringify(await stream.status));
  return response;
}

real('who may connect', () => {
  async function refused(given: Partial<GrpcClientOptions>, as = WEB) {
    const { subscribe, says } = await start();
    const attempt = subscribe(as, given).then((stream) => stream.next());
    await expect(attempt.catch(() => undefined)).resolves.toBeUndefined();
    await says('weft_xds_refusals_total{reason="untrusted-certificate"} 1');
  }

  test('is nobody without a certificate', () => refused({ certificate: undefined as never }));

  test('is nobody with a certificate of another root', async () => {
    const stranger = await testCa();
    await refused({ certificate: await stranger.certificate(WEB) });
  });

  test('is nobody of another trust domain, or with a name that is no service account, under our root', async () => {
    await refused({}, 'spiffe://elsewhere.example/ns/shop/sa/web');
    await refused({}, 'spiffe://cluster.local/web');
  });

  test('is nobody whose certificate has ended', async () => {
    const { running, subscribe, says } = await start();
    const ended = await running.ca.certificate(WEB, Date.now() - 3 * 86_400_000);
    const attempt = subscribe(WEB, { certificate: ended }).then((stream) => stream.next());
    await expect(attempt.catch(() => undefined)).resolves.toBeUndefined();
    await says('weft_xds_refusals_total{reason="untrusted-certificate"} 1');
  });

  test('is whoever has one of ours, by its address too', async () => {
    const { running, subscribe } = await start();
    expect((await served(await subscribe())).typeUrl).toBe(DESTINATION);
    running.mesh.workloads.set(aWorkload({ uid: 'web-1', ips: ['10.244.0.99'], serviceAccount: 'web' }));
    const { code, message } = await (await subscribe()).status;
    expect([code, message.split(':')[0]]).toEqual([GrpcCode.permissionDenied, 'foreign-address']);
  });
});

real('the handshake', () => {
  test('is TLS 1.3 with HTTP/2 and gives no ticket', async () => {
    const { running } = await start();
    const certificate = await running.ca.certificate(WEB);
    const at = { host: '127.0.0.1', port: running.port.port, ca: running.ca.roots };
    const tls = {
      ...at,
      cert: certificate.chain,
      key: certificate.privateKey,
      checkServerIdentity: () => undefined,
    };
    const tickets: unknown[] = [];
    const socket = connectTls({ ...tls, ALPNProtocols: ['h2'] });
    socket.on('session', (ticket) => tickets.push(ticket));
    const session = connectHttp2('https://weft', { createConnection: () => socket });
    ends.push(() => session.destroy());
    await new Promise((resolve) => session.once('remoteSettings', resolve));
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'h2']);
    expect(tickets).toEqual([]);
    for (const wrong of [
      { maxVersion: 'TLSv1.2' as const, ALPNProtocols: ['h2'] },
      { ALPNProtocols: ['http/1.1'] },
    ]) {
      const refused = connectTls({ ...tls, ...wrong });
      await new Promise((resolve) => refused.once('error', resolve).once('close', resolve));
    }
  });

  test('is made with new certificates and roots at once, and streams go on', async () => {
    const { running, subscribe } = await start();
    const old = await subscribe();
    await served(old);
    const ca = await testCa();
    running.identity.set({ ...(await ca.certificate(SERVER)), roots: running.ca.roots + ca.roots });
    running.service.changed(running.mesh.policies.set(aSplitPolicy('reviews', { v1: 3, v2: 4 })));
    expect((await served(old)).resources).toHaveLength(1);
    const certificate = await ca.certificate(WEB);
    // The old stream gives way to it: it is of the same pod.
    expect((await served(await subscribe(WEB, { roots: ca.roots, certificate }))).resources).toHaveLength(1);
    expect((await old.status).code).toBe(GrpcCode.aborted);
  });

  test('is waited for by nobody but those who stall, and those who say nothing are sent away and counted', async () => {
    const { running, subscribe, says } = await start();
    for (let i = 0; i < 10; i++) {
      const socket = connectTcp({ host: '127.0.0.1', port: running.port.port, localAddress: '127.0.0.66' });
      socket.on('error', () => undefined);
      ends.push(() => socket.destroy());
      if (i < 5) socket.write(Buffer.from('16030105f8010005f40303', 'hex'));
    }
    expect((await served(await subscribe())).resources).toHaveLength(1);
    await says('weft_listener_refused_total{listener="configuration",reason="silent"} 5');
    await says('weft_listener_connections{listener="configuration"} 1');
  });

  test('is begun by sixteen of one address and by no more', async () => {
    const { running, says } = await start();
    for (let i = 0; i < 20; i++) {
      const socket = connectTcp({ host: '127.0.0.1', port: running.port.port, localAddress: '127.0.0.66' });
      socket.on('error', () => undefined);
      ends.push(() => socket.destroy());
    }
    await says('weft_listener_refused_total{listener="configuration",reason="per-address"} 4');
  });
});

real('a stream', () => {
  test('has a small first request, and nothing more is read before it is admitted', async () => {
    const { open } = await start();
    const many = Array.from({ length: 1_000 }, (_, i) => `ip/10.97.${i >> 8}.${i & 255}:8080`);
    const large = (await open()).bidi(deltas);
    large.send({ node: { id: 'web-1' }, typeUrl: DESTINATION, resourceNamesSubscribe: many });
    expect((await large.status).code).toBe(GrpcCode.resourceExhausted);
    const small = (await open()).bidi(deltas);
    small.send({ node: { id: 'web-1' }, typeUrl: WORKLOAD, resourceNamesSubscribe: ['web-1'] });
    small.send({ typeUrl: DESTINATION, resourceNamesSubscribe: many });
    expect((await served(small)).typeUrl).toBe(WORKLOAD);
    expect((await served(small)).removedResources).toHaveLength(500);
    small.send({ typeUrl: DESTINATION, resourceNamesSubscribe: ['x'.repeat(1 << 20)] });
    expect((await small.status).code).toBe(GrpcCode.resourceExhausted);
    const nobody = (await open()).bidi(deltas);
    nobody.send({ node: { id: 'nobody' }, typeUrl: WORKLOAD, resourceNamesSubscribe: ['nobody'] });
    for (let i = 0; i < 20; i++)
      nobody.send({ typeUrl: DESTINATION, resourceNamesSubscribe: [...many, ...many] });
    expect((await nobody.status).message).toContain('unknown-pod');
  });

  test('of another method, or that is no gRPC, is refused without the control plane', async () => {
    const { open } = await start();
    const { session } = await open();
    const answer = async (headers: Record<string, string>) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/x',
        'content-type': 'application/grpc',
        ...headers,
      });
      stream.end();
      const response = await new Promise<Record<string, unknown>>((resolve) =>
        stream.once('response', resolve),
      );
      stream.resume();
      return [response[':status'], response['grpc-status']];
    };
    expect(await answer({})).toEqual([200, '12']);
    expect(await answer({ 'content-type': 'text/plain' })).toEqual([415, undefined]);
    expect(await answer({ ':method': 'GET' })).toEqual([405, undefined]);
  });

  test('that does not read gets the newest when it reads again', async () => {
    const { running, subscribe } = await start();
    const stream = await subscribe();
    await served(stream);
    stream.raw.pause();
    for (let i = 1; i <= 2_000; i++) {
      running.service.changed(running.mesh.policies.set(aSplitPolicy('reviews', { v1: 100, v2: i })));
      if (i % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    stream.raw.resume();
    let responses = 0;
    for (let newest = false; !newest; responses++) {
      const response = await served(stream);
      stream.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
      newest = Buffer.from(response.resources[0]!.resource!.value).includes(Buffer.of(0xd0, 0x0f));
    }
    expect(responses).toBeLessThan(500);
  });
});

real('the life of the front', () => {
  test('ends in good order: streams hear that they should come back, and the process is gone', async () => {
    const { running, subscribe } = await start();
    const stream = await subscribe();
    await served(stream);
    running.stop.abort();
    expect((await stream.status).code).toBe(GrpcCode.unavailable);
    await running.port.closed;
    expect(running.failures).toEqual([]);
  });

  test('ends the control plane when it is killed', async () => {
    const { running, subscribe, front } = await start();
    const stream = await subscribe();
    await served(stream);
    front().kill();
    expect((await stream.status).code).toBe(GrpcCode.unavailable);
    const failure = await eventually('it fails', () => running.failures[0]);
    expect(String(failure)).toContain('front ended with SIGKILL');
    expect(running.port.streams()).toBe(0);
  });

  test('ends when the control plane does not speak as it should', async () => {
    const { front } = await start();
    front().socket.write(Buffer.from('nonsense, and enough of it'));
    expect(await front().ended).toContain('front ended with 1');
  });

  test('begins with nothing but a socket of its parent', async () => {
    const alone = promisify(execFile)(builtProxy!, ['front']);
    await expect(alone).rejects.toThrow(/there is no socket of the control plane's/);
  });
});
