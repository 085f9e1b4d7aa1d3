import { afterEach, describe, expect, test } from '@jest/globals';
import { createLogger } from '../../base/index.js';
import { GrpcCode } from '../../grpc/index.js';
import {
  DESTINATION,
  REVIEWS,
  WEB,
  connect,
  destination,
  endAll,
  next,
  startConfig,
  subscribed,
  type Running,
} from '../../testing/config-server.js';
import { eventually } from '../../testing/eventually.js';
import { aFrame } from '../../testing/front-stand-in.js';
import { aSplitPolicy, aWorkload, anEndpointSet } from '../../testing/mesh-fixture.js';
import { frontProgram } from './program.js';

afterEach(endAll);

const LOOKS = { everyMs: 10, unready: 5, dead: 30 };

describe('a front that says what no front says ends its socket, and every stream', () => {
  const peer = Buffer.concat([Buffer.of(0, 9), Buffer.from('127.0.0.1'), Buffer.of(48, 0)]);
  test.each([
    ['noise', Buffer.from('GET / HTTP/1.1\r\nhost: weft\r\n\r\n'), /none that the front sends/],
    ['a message of a stream that there is not', aFrame(99, 0), /stream 99, which there is not/],
    ['the end of a stream that there is not', aFrame(99, 3), /stream 99, which there is not/],
    ['a stream that is there already', aFrame(1, 1, peer), /opens stream 1 /],
    [
      'a stream of a method that there is not',
      aFrame(99, 1, Buffer.concat([Buffer.of(9), peer.subarray(1)])),
      /for method 9/,
    ],
    [
      'a second message that nobody has asked for',
      Buffer.concat([aFrame(2, 0), aFrame(2, 0)]),
      /stream 2 does not read/,
    ],
    ['a first message that is large', aFrame(2, 0, Buffer.alloc(16_385)), /stream 2 does not read/],
    ['credit for what was not sent', aFrame(2, 4, Buffer.of(0, 0, 0, 1)), /more of stream 2 than there was/],
    ['hello again', aFrame(0, 6, Buffer.from('weft-front 1')), /hello a second time/],
  ])('%s', async (_, bytes, why) => {
    const running = await startConfig();
    const stream = await subscribed(running, [REVIEWS]);
    await next(stream);
    const other = await connect(running, WEB);
    running.front.write(bytes);
    expect((await stream.status).code).toBe(GrpcCode.unavailable);
    await other.status;
    expect(String(await eventually('it fails', () => running.failures[0]))).toMatch(why);
    expect(running.port.streams()).toBe(0);
    expect(await running.metrics.text()).toMatch(/weft_xds_streams 0\n/);
  });
});

test('a certificate that cannot be read is nobody, and others go on', async () => {
  const running = await startConfig();
  const stream = await subscribed(running, [REVIEWS]);
  await next(stream);
  const peer = Buffer.concat([Buffer.of(0, 9), Buffer.from('127.0.0.1'), Buffer.of(48, 0)]);
  running.front.write(Buffer.concat([aFrame(77, 1, peer), aFrame(77, 0), aFrame(77, 3)]));
  running.service.changed(running.mesh.policies.set(aSplitPolicy('reviews', { v1: 1, v2: 2 })));
  await next(stream);
  expect([running.failures, running.port.streams()]).toEqual([[], 1]);
});

test('a stream that ends on both sides at once is over, whoever was first', async () => {
  const running = await startConfig();
  const stream = await subscribed(running, [REVIEWS]);
  await next(stream);
  // The newer stream of the pod ends the first, whose proxy goes in the same moment.
  const newer = await subscribed(running, [REVIEWS]);
  stream.close();
  await next(newer);
  await stream.status;
  await eventually('one stream is left', () => running.port.streams() === 1);
  expect(running.failures).toEqual([]);
});

test('a front that dies takes its streams along, and says how it died', async () => {
  const running = await startConfig();
  const stream = await subscribed(running, [REVIEWS]);
  await next(stream);
  running.front.end('killed with SIGKILL');
  expect(String(await eventually('it fails', () => running.failures[0]))).toContain('SIGKILL');
  expect(running.port.streams()).toBe(0);
});

test('a front that cannot be started fails the start, and says which program it was', async () => {
  await expect(
    startConfig({ front: frontProgram('/nowhere/weft-proxy', createLogger({ level: 'silent' })) }),
  ).rejects.toThrow(/\/nowhere\/weft-proxy cannot be started: .*ENOENT/);
});

test('certificates that the front cannot use are said, until it can', async () => {
  const running = await startConfig();
  expect(running.port.notes()).toEqual([]);
  running.front.write(aFrame(0, 13, Buffer.from('no such key')));
  await eventually('a note', () => running.port.notes()[0]?.endsWith('stay in force: no such key'));
  running.front.write(aFrame(0, 13));
  await eventually('no note', () => running.port.notes().length === 0);
  expect(running.failures).toEqual([]);
});

test('a front that says nothing is silent, and then dead', async () => {
  const running = await startConfig({ looks: LOOKS });
  await eventually('it is silent', () => !running.port.answers());
  expect(String(await eventually('it is dead', () => running.failures[0]))).toContain('hangs');
});

test('streams of a front that has turned silent are over, and new ones are served when it speaks again', async () => {
  const running = await startConfig({ looks: { everyMs: 10, unready: 5, dead: 100_000 } });
  const stream = await subscribed(running, [REVIEWS]);
  await next(stream);
  running.front.freeze();
  const gone = /weft_xds_streams 0\n/;
  await eventually('nobody is counted', async () => gone.test(await running.metrics.text()));
  expect(running.port.answers()).toBe(false);
  running.front.thaw();
  expect((await stream.status).code).toBe(GrpcCode.unavailable);
  await next(await subscribed(running, [REVIEWS]));
  expect(running.failures).toEqual([]);
});

test('whatever a front says shows that it lives: its counts may wait behind what proxies say', async () => {
  const running = await startConfig({ looks: { everyMs: 10, unready: 20, dead: 40 } });
  const stream = await subscribed(running, [REVIEWS]);
  const { typeUrl, nonce } = await next(stream);
  const until = performance.now() + 1_000;
  while (performance.now() < until) {
    stream.send({ typeUrl, responseNonce: nonce });
    await new Promise((resolve) => setImmediate(resolve));
    expect(running.port.answers()).toBe(true);
  }
  expect(running.failures).toEqual([]);
  await eventually('it is silent when nothing comes', () => !running.port.answers());
});

describe('while a front reads nothing', () => {
  const PODS = 3_000;
  const STREAMS = 72;
  /** A certificate may have so many. */
  const TOGETHER = 4;
  const CREDIT = 16 * 1024;
  const ROOM = 2 * 1024 * 1024;

  /** So many proxies, each with a destination of many endpoints, and the bytes of one. */
  async function large() {
    const running = await startConfig({
      throttle: { soonMs: 0, everyMs: 0 },
      checkPeerAddress: false,
      // It says nothing while it is frozen, and this may take long.
      looks: { everyMs: 1_000, unready: 100, dead: 1_000 },
    });
    const pods = Object.fromEntries(
      Array.from({ length: PODS }, (_, i) => [`p${i}`, `10.245.${i >> 8}.${i & 255}`]),
    );
    for (const [i, [uid, ip]] of Object.entries(pods).entries()) {
      const labels = { version: i % 2 === 0 ? 'v1' : 'v2' };
      running.mesh.workloads.set(aWorkload({ uid, ips: [ip], labels, serviceAccount: 'reviews' }));
    }
    running.mesh.endpointSets.set(anEndpointSet('reviews', pods));
    const streams = [];
    let size = 0;
    let certificate: { readonly chain: string } | undefined;
    for (let i = 0; i < STREAMS; i++) {
      running.mesh.workloads.set(aWorkload({ uid: `web-${i}`, ips: ['127.0.0.1'], serviceAccount: 'web' }));
      if (i % TOGETHER === 0) certificate = await running.ca.certificate(WEB);
      const stream = await connect(running, WEB, certificate);
      stream.send({ node: { id: `web-${i}` }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
      size = Math.max(size, (await next(stream)).resources[0]!.resource!.value.length);
      streams.push(stream);
    }
    expect(size).toBeGreaterThan(CREDIT);
    expect(size * STREAMS).toBeGreaterThan(ROOM * 1.5);
    return { running, streams, size };
  }

  const count = async ({ metrics }: Running, name: RegExp) => Number(name.exec(await metrics.text())![1]);
  const responses = (running: Running) => count(running, /weft_xds_responses_total (\d+)/);
  const flushes = (running: Running) => count(running, /weft_xds_flush_seconds_count (\d+)/);

  /** Something changes for all, and whoever may have it at once has been sent it. */
  async function change(running: Running, v2: number): Promise<void> {
    const before = await flushes(running);
    running.service.changed(running.mesh.policies.set(aSplitPolicy('reviews', { v1: 1_000, v2 })));
    await eventually('the change is flushed', async () => (await flushes(running)) > before);
  }

  test('one change for all is made into no more messages than there is room for', async () => {
    const { running, streams, size } = await large();
    running.front.freeze();
    await change(running, 290);
    // A socket takes some of it before the front reads.
    await eventually('there is no room', () => running.front.unread() > ROOM - 4 * size);
    const sent = (await responses(running)) - STREAMS;
    // The last message goes over what there is room for; what surrounds one is small.
    expect(sent).toBeLessThanOrEqual(Math.ceil(ROOM / size));
    for (let i = 291; i <= 300; i++) await change(running, i);
    expect((await responses(running)) - STREAMS).toBe(sent);
    expect(running.front.unread()).toBeLessThan(ROOM + size + 1_024);
    running.front.thaw();
    for (const stream of streams) while (!isNewest(await next(stream)));
    // Who waited got the newest alone.
    expect(await responses(running)).toBe(2 * STREAMS + sent);
    expect(running.failures).toEqual([]);
  }, 120_000);

  test('a proxy has one message over its credit, and the newest when it reads again, however much changes', async () => {
    const { running, streams } = await large();
    for (let i = 291; i <= 300; i++) await change(running, i);
    // Each has had one, nobody gave credit back, and all is read from the socket.
    expect(await responses(running)).toBe(2 * STREAMS);
    for (const stream of streams) {
      await next(stream);
      expect(isNewest(await next(stream))).toBe(true);
    }
    expect(running.failures).toEqual([]);
  }, 120_000);
});

function isNewest(response: Parameters<typeof destination>[0]): boolean {
  return destination(response).routes[0]?.split.some(({ weight }) => weight === 300) === true;
}
