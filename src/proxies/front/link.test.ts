import { afterEach, describe, expect, test } from '@jest/globals';
import { GrpcCode } from '../../grpc/index.js';
import {
  DESTINATION,
  REVIEWS,
  WEB,
  connect,
  endAll,
  next,
  startConfig,
  subscribed,
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
  await expect(startConfig({ front: frontProgram('/nowhere/weft-proxy') })).rejects.toThrow(
    /\/nowhere\/weft-proxy cannot be started: .*ENOENT/,
  );
});

test('a front that says nothing is silent, and then dead', async () => {
  const running = await startConfig({ looks: LOOKS });
  await eventually('it is silent', () => !running.port.answers());
  expect(String(await eventually('it is dead', () => running.failures[0]))).toContain('hangs');
});

describe('while a front reads nothing', () => {
  test('what waits for it is bounded however much changes, and proxies get the newest afterwards', async () => {
    const running = await startConfig({ throttle: { soonMs: 0, everyMs: 0 }, checkPeerAddress: false });
    const pods = Object.fromEntries(
      Array.from({ length: 1_000 }, (_, i) => [`p${i}`, `10.245.${i >> 8}.${i & 255}`]),
    );
    running.mesh.endpointSets.set(anEndpointSet('reviews', pods));
    const streams = [];
    for (let i = 0; i < 100; i++) {
      running.mesh.workloads.set(aWorkload({ uid: `web-${i}`, ips: ['127.0.0.1'], serviceAccount: 'web' }));
      const stream = await connect(running);
      stream.send({ node: { id: `web-${i}` }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
      streams.push(stream);
    }
    for (const stream of streams) await next(stream);
    running.front.freeze();
    for (let i = 1; i <= 300; i++) {
      running.service.changed(running.mesh.policies.set(aSplitPolicy('reviews', { v1: 1_000, v2: i })));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const sent = Number(/weft_xds_responses_total (\d+)/.exec(await running.metrics.text())![1]);
    // The credit of a stream has room for less than 30 of these messages.
    expect(sent).toBeLessThan(100 * 30);
    running.front.thaw();
    for (const stream of streams) {
      let last = await next(stream);
      for (let more = 0; more < 40 && !isNewest(last.resources[0]!.resource!.value); more++)
        last = await next(stream);
      expect(isNewest(last.resources[0]!.resource!.value)).toBe(true);
    }
    expect(running.failures).toEqual([]);
  }, 30_000);
});

/** The weight 300 as protobuf writes it. */
function isNewest(resource: Uint8Array): boolean {
  return Buffer.from(resource).includes(Buffer.of(0xac, 0x02));
}
