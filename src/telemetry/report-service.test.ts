import { afterEach, expect, test } from '@jest/globals';
import { Metrics, createLogger, systemClock, watched } from '../base/index.js';
import type { ServerIdentity } from '../grpc/index.js';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { podDirectory } from '../identity/index.js';
import { ProxyPort, TrustTally } from '../proxies/index.js';
import { SERVER, WEB } from '../testing/config-server.js';
import { FrontStandIn, type StandInStream } from '../testing/front-stand-in.js';
import { untilPasses } from '../testing/index.js';
import { aMesh } from '../testing/mesh-fixture.js';
import { testCa } from '../testing/test-ca.js';
import {
  Direction,
  Telemetry,
  Tls,
  type ReportRequestSchema,
  type ReportResponse,
} from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';
import { Counted, LATENCY_FROM } from './measures.js';
import type { PaceOptions } from './pace.js';
import { ReportService } from './report-service.js';

type Stream = StandInStream<MessageInitShape<typeof ReportRequestSchema>, ReportResponse>;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

const SAYS = { direction: Direction.OUTBOUND, destination: 'shop/reviews:9080', tls: Tls.MUTUAL };

/** The port of proxies with the service on it, behind a stand-in for its front, and a way to connect to it as the pod `web-1`. */
async function start(pace: Omit<PaceOptions, 'clock'> = {}, maxBytes = 1 << 24) {
  const [ca, mesh, metrics, stop] = [await testCa(), aMesh(), new Metrics(), new AbortController()];
  const tally = new TrustTally();
  const service = new ReportService({
    clock: systemClock,
    metrics,
    reporterOf: ({ namespace }) => ({ namespace, kind: 'Deployment', name: 'web', identity: WEB }),
    serves: (uid, name) => uid === 'web-1' && name === 'shop/web',
    pace,
    maxBytes,
  });
  const front = new FrontStandIn();
  await new ProxyPort({
    port: 0,
    identity: watched<ServerIdentity>(await ca.certificate(SERVER)),
    trustDomain: 'cluster.local',
    podCheck: { pods: podDirectory(mesh), checkPeerAddress: true, waitMs: 300 },
    log: createLogger({ level: 'silent' }),
    metrics,
    tally,
    front: front.start,
    failed: (thrown) => {
      throw thrown;
    },
  })
    .serve(service)
    .listen(stop.signal);
  ends.push(() => stop.abort());
  const connect = async (as = WEB, podUid = 'web-1'): Promise<Stream> => {
    const stream = await front.connect(Telemetry.method.report, await ca.certificate(as));
    ends.push(() => stream.close());
    stream.send({ podUid });
    return stream;
  };
  return { service, metrics, tally, connect };
}

/** What is counted of a measure in the last minute, by Service. */
async function counted(service: ReportService, place: number): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const edge of (await service.window(60_000)).edges)
    if ((edge.counts?.[place] ?? 0) > 0)
      sums[edge.service] = (sums[edge.service] ?? 0) + (edge.counts?.[place] ?? 0);
  return sums;
}

test('a proxy is told the pace, and what it reports is there at once, under the workload that its connection proves', async () => {
  const { service, connect } = await start();
  const stream = await connect();
  expect(await stream.next()).toMatchObject({ paceMs: 10_000, now: false });
  stream.send({
    edges: [SAYS],
    counts: [{ edge: 0, grown: [0n, 3n, 2n, 1n, BigInt(LATENCY_FROM), 4n], open: 2 }],
  });
  await untilPasses(async () => expect(await counted(service, Counted.ok)).toEqual({ 'shop/reviews': 3 }));
  const [edge] = (await service.window(60_000)).edges;
  expect(edge).toMatchObject({ reporter: { namespace: 'shop', name: 'web', identity: WEB }, open: 2 });
  expect(edge?.latencies?.[0]).toBe(4);
  stream.send({ counts: [{ edge: 0, grown: [0n, 2n], open: 1 }] });
  await untilPasses(async () => expect(await counted(service, Counted.ok)).toEqual({ 'shop/reviews': 5 }));
  stream.end();
  await untilPasses(async () => expect((await service.window(60_000)).edges[0]?.open).toBe(0));
});

test('whoever begins to look has the proxies asked, waits for them and for no longer than patience lasts', async () => {
  const { service, connect } = await start({ patienceMs: 300, lookMs: 60_000 });
  const [quick, silent] = [await connect(), await connect(WEB, 'web-1')];
  // A pod has one stream: the newer takes the place of the first.
  expect(await quick.next()).toMatchObject({ now: false });
  await quick.status;
  expect(await silent.next()).toMatchObject({ now: false });
  const looked = service.window(10_000);
  expect(await silent.next()).toMatchObject({ paceMs: 2_000, now: true });
  expect((await looked).edges).toEqual([]);
  silent.send({ edges: [SAYS], counts: [{ edge: 0, grown: [0n, 1n] }] });
  await untilPasses(async () => expect(await counted(service, Counted.ok)).toEqual({ 'shop/reviews': 1 }));
});

test('the answer to one who begins to look holds what the proxies then say', async () => {
  const { service, connect } = await start({ patienceMs: 60_000 });
  const stream = await connect();
  await stream.next();
  const looked = counted(service, Counted.serverError);
  expect(await stream.next()).toMatchObject({ now: true });
  stream.send({ edges: [SAYS], counts: [{ edge: 0, grown: [2n, 7n] }] });
  expect(await looked).toEqual({ 'shop/reviews': 7 });
});

test('a proxy that is watched no longer hears of it with its next report', async () => {
  const { service, connect } = await start({ lookMs: 50, patienceMs: 10 });
  const stream = await connect();
  await stream.next();
  await service.window(10_000);
  expect(await stream.next()).toMatchObject({ paceMs: 2_000 });
  await new Promise((done) => setTimeout(done, 60));
  stream.send({});
  expect(await stream.next()).toMatchObject({ paceMs: 10_000, now: false });
});

test('the stream is admitted as one of configuration is, and counts as no other proxy', async () => {
  const { metrics, tally, connect } = await start();
  const foreign = await connect('spiffe://cluster.local/ns/shop/sa/other');
  expect((await foreign.status).code).not.toBe(0);
  const unknown = await connect(WEB, 'nobody');
  expect((await unknown.status).code).not.toBe(0);
  const stream = await connect();
  await stream.next();
  const text = await metrics.text();
  expect(text).toContain('weft_telemetry_streams 1\n');
  expect(text).toContain('weft_xds_streams 0\n');
  expect(tally.standing({ roots: [], issuer: '' }).silent).toBe(0);
});

test('a proxy that lies changes nothing but numbers of its own workload', async () => {
  const { service, metrics, connect } = await start();
  const stream = await connect();
  await stream.next();
  const inbound = { direction: Direction.INBOUND, tls: Tls.MUTUAL };
  stream.send({
    edges: [
      { ...inbound, destination: 'shop/payments:80' },
      { ...inbound, destination: 'shop/web:80' },
      { ...SAYS, peer: 'not an identity' },
      { ...SAYS, destination: '\u001b[2J' },
    ],
    counts: [
      { edge: 0, grown: [2n, 5n] },
      { edge: 1, grown: [2n, 6n] },
      { edge: 2, grown: [2n, 7n] },
      { edge: 3, grown: [2n, 8n] },
      { edge: 99, grown: [2n, 9n] },
      { edge: 1, grown: [12n, 1n, 999n, 1n, 2n] },
      { edge: 1, grown: [0n, 2n ** 63n] },
    ],
    coversMs: 4_000_000_000,
  });
  await untilPasses(async () => {
    // It does not stand behind payments, so that says something of its workload alone.
    expect(await counted(service, Counted.serverError)).toMatchObject({ 'shop/web': expect.any(Number) });
  });
  const { edges } = await service.window(1_800_000);
  expect(edges.map((edge) => edge.service).sort()).toEqual(['', '', 'shop/web']);
  expect(edges.every(({ reporter }) => reporter.name === 'web')).toBe(true);
  for (const { counts = [] } of edges) expect(Math.max(...counts)).toBeLessThan(2 ** 37);
  expect(await metrics.text()).toMatch(/weft_telemetry_refused_total\{reason="edge"\} 1\n/);
  expect(await metrics.text()).toMatch(/weft_telemetry_refused_total\{reason="count"\} 4\n/);
});

test.each<[string, (stream: Stream) => void]>([
  [
    'names more edges than there may be',
    (stream) => {
      for (let i = 0; i < 6; i++) stream.send({ edges: Array.from({ length: 100 }, () => ({ ...SAYS })) });
    },
  ],
  [
    'reports faster than anybody asked for',
    (stream) => {
      for (let i = 0; i < 20; i++) stream.send({});
    },
  ],
])('a proxy that %s loses its stream', async (_, send) => {
  const { connect } = await start();
  const stream = await connect();
  await stream.next();
  send(stream);
  expect([3, 8]).toContain((await stream.status).code);
});

test('an edge that went to make room is counted anew when more comes of it', async () => {
  const { service, metrics, connect } = await start({}, 20_000);
  const stream = await connect();
  await stream.next();
  const edges = Array.from({ length: 8 }, (_, i) => ({ ...SAYS, destination: `shop/svc-${i}:80` }));
  stream.send({ edges, counts: edges.map((_, edge) => ({ edge, grown: [0n, 1n] })) });
  await untilPasses(async () => expect(await metrics.text()).toMatch(/weft_telemetry_evicted_total [1-9]/));
  expect(await counted(service, Counted.ok)).not.toHaveProperty('shop/svc-0');
  stream.send({ counts: [{ edge: 0, grown: [0n, 7n] }] });
  await untilPasses(async () =>
    expect(await counted(service, Counted.ok)).toMatchObject({ 'shop/svc-0': 7 }),
  );
});
