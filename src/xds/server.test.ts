import { afterEach, describe, expect, test } from '@jest/globals';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Metrics, createLogger, watched, type Settable } from '../base/index.js';
import {
  GrpcCode,
  connectGrpc,
  type ClientStream,
  type GrpcClientOptions,
  type ServerIdentity,
} from '../base/grpc/index.js';
import { podDirectory } from '../identity/index.js';
import type { MeshTables } from '../model/index.js';
import { eventually } from '../testing/eventually.js';
import { aMesh, aService, aSplitPolicy, aWorkload, anEndpointSet } from '../testing/mesh-fixture.js';
import { testCa, type TestCa } from '../testing/test-ca.js';
import {
  AggregatedDiscoveryService,
  type DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { DestinationSchema, type Destination } from '../wire/gen/weft/v1/destination_pb.js';
import { RejectsSchema } from '../wire/gen/weft/v1/reject_pb.js';
import { WorkloadSchema } from '../wire/gen/weft/v1/workload_pb.js';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { startConfigServer, type ConfigServer, type ConfigServerOptions } from './index.js';

const SERVER = 'spiffe://cluster.local/ns/weft-system/sa/weft';
const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
const DESTINATION = 'type.weft.dev/weft.v1.Destination';
const WORKLOAD = 'type.weft.dev/weft.v1.Workload';
const REVIEWS = 'ip/10.96.0.5:8080';
const deltas = AggregatedDiscoveryService.method.deltaAggregatedResources;

type Stream = ClientStream<MessageInitShape<typeof DeltaDiscoveryRequestSchema>, DeltaDiscoveryResponse>;

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

interface Running {
  readonly ca: TestCa;
  readonly mesh: MeshTables;
  readonly server: ConfigServer;
  readonly metrics: Metrics;
  readonly identity: Settable<ServerIdentity>;
  readonly stop: AbortController;
}

async function start(
  options: Partial<ConfigServerOptions> & { checkPeerAddress?: boolean } = {},
): Promise<Running> {
  const ca = await testCa();
  const mesh = aMesh();
  const metrics = new Metrics();
  const stop = new AbortController();
  const identity = watched<ServerIdentity>(await ca.certificate(SERVER));
  const podCheck = {
    pods: podDirectory(mesh),
    checkPeerAddress: options.checkPeerAddress ?? true,
    waitMs: 300,
  };
  const log = createLogger({ level: 'silent' });
  const server = await startConfigServer(
    { port: 0, identity, trustDomain: 'cluster.local', podCheck, mesh, log, metrics, ...options },
    stop.signal,
  );
  ends.push(() => stop.abort());
  return { ca, mesh, server, metrics, identity, stop };
}

async function connect(
  running: Running,
  as = WEB,
  options: Partial<GrpcClientOptions> = {},
): Promise<Stream> {
  const certificate = await running.ca.certificate(as);
  const client = await connectGrpc({
    host: '127.0.0.1',
    port: running.server.port,
    roots: running.ca.roots,
    certificate,
    ...options,
  });
  ends.push(() => client.session.destroy());
  return client.bidi(deltas);
}

/** A stream of pod `web-1` that has asked for these names. */
async function subscribed(
  running: Running,
  names: readonly string[],
  initial: Record<string, string> = {},
): Promise<Stream> {
  const stream = await connect(running);
  stream.send({
    node: { id: 'web-1' },
    typeUrl: DESTINATION,
    resourceNamesSubscribe: [...names],
    initialResourceVersions: initial,
  });
  return stream;
}

async function next(stream: Stream): Promise<DeltaDiscoveryResponse> {
  const response = await stream.next();
  if (response === undefined) throw new Error(`the stream ended: ${JSON.stringify(await stream.status)}`);
  return response;
}

function destination(response: DeltaDiscoveryResponse): Destination {
  return fromBinary(DestinationSchema, response.resources[0]!.resource!.value);
}

function ack(stream: Stream, response: DeltaDiscoveryResponse): void {
  stream.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
}

function nack(stream: Stream, response: DeltaDiscoveryResponse, reasons: Record<string, string>): void {
  const rejects = Object.entries(reasons).map(([resource, reason]) => ({ resource, reason }));
  const value = toBinary(RejectsSchema, create(RejectsSchema, { rejects }));
  stream.send({
    typeUrl: response.typeUrl,
    responseNonce: response.nonce,
    errorDetail: {
      code: 3,
      message: 'rejected',
      details: [{ typeUrl: 'type.weft.dev/weft.v1.Rejects', value }],
    },
  });
}

function weights(response: DeltaDiscoveryResponse): number[] {
  return destination(response).routes[0]!.split.map(({ weight }) => weight);
}

describe('a subscription', () => {
  test('gets the destination by the name that was asked for, and a change of it under 100 ms later', async () => {
    const running = await start();
    const stream = await subscribed(running, [REVIEWS]);
    const first = await next(stream);
    expect(first).toMatchObject({
      typeUrl: DESTINATION,
      removedResources: [],
      resources: [{ name: REVIEWS }],
    });
    expect(first.resources[0]!.resource!.typeUrl).toBe(DESTINATION);
    expect(destination(first)).toMatchObject({
      key: 'default/default/shop/reviews:8080/-',
      target: { namespace: 'shop', name: 'reviews', port: 8080 },
    });
    ack(stream, first);
    const tookMs: number[] = [];
    let second = first;
    // The best of some: this machine may be busy with other things.
    for (let v2 = 1; v2 <= 5; v2++) {
      const changedAt = performance.now();
      running.server.changed(running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 9, v2 })));
      second = await next(stream);
      tookMs.push(performance.now() - changedAt);
      expect(weights(second)).toEqual([9, v2]);
      ack(stream, second);
    }
    expect(Math.min(...tookMs)).toBeLessThan(100);
    expect(second.resources[0]!.version).not.toBe(first.resources[0]!.version);
  });

  test('of something unknown is answered at once, and again when it comes into being', async () => {
    const running = await start();
    const stream = await subscribed(running, ['ip/10.96.0.77:8080']);
    const absent = await next(stream);
    expect(absent).toMatchObject({ resources: [], removedResources: ['ip/10.96.0.77:8080'] });
    ack(stream, absent);
    running.server.changed(running.mesh.setService(aService({ name: 'late', clusterIPs: ['10.96.0.77'] })));
    expect(destination(await next(stream)).target?.name).toBe('late');
  });

  test('of something that goes away is told so', async () => {
    const running = await start();
    const stream = await subscribed(running, [REVIEWS]);
    ack(stream, await next(stream));
    running.server.changed(running.mesh.deleteService('shop/reviews'));
    expect((await next(stream)).removedResources).toEqual([REVIEWS]);
  });

  test('that is resumed with the same version is not sent again, but the next change is', async () => {
    const running = await start();
    const before = await subscribed(running, [REVIEWS]);
    const held = (await next(before)).resources[0]!.version;
    const stream = await subscribed(running, [REVIEWS, 'ip/10.96.0.9:80'], { [REVIEWS]: held });
    expect(await next(stream)).toMatchObject({ resources: [], removedResources: ['ip/10.96.0.9:80'] });
    running.server.changed(running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 1, v2: 1 })));
    expect(weights(await next(stream))).toEqual([1, 1]);
  });

  test('that is resumed with nothing new gets an empty response, so that the proxy knows where it stands', async () => {
    const running = await start();
    const before = await subscribed(running, [REVIEWS]);
    const held = (await next(before)).resources[0]!.version;
    const stream = await subscribed(running, [REVIEWS], { [REVIEWS]: held });
    expect(await next(stream)).toMatchObject({ typeUrl: DESTINATION, resources: [], removedResources: [] });
  });

  test('that has ended gets no more', async () => {
    const running = await start();
    const stream = await subscribed(running, [REVIEWS]);
    ack(stream, await next(stream));
    stream.send({ typeUrl: DESTINATION, resourceNamesUnsubscribe: [REVIEWS] });
    stream.send({ typeUrl: DESTINATION, resourceNamesSubscribe: ['ip/10.96.0.9:80'] });
    await next(stream);
    running.server.changed(running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 1, v2: 1 })));
    running.server.changed(
      running.mesh.setService(
        aService({
          name: 'nine',
          clusterIPs: ['10.96.0.9'],
          ports: [{ name: '', port: 80, targetPort: 80, protocol: 'TCP' }],
        }),
      ),
    );
    const response = await next(stream);
    expect(response.resources.map(({ name }) => name)).toEqual(['ip/10.96.0.9:80']);
  });

  test("of the own workload is answered, of another pod's it is not", async () => {
    const running = await start();
    const stream = await connect(running);
    stream.send({
      node: { id: 'web-1' },
      typeUrl: WORKLOAD,
      resourceNamesSubscribe: ['web-1', 'reviews-v1'],
    });
    const response = await next(stream);
    expect(response.resources.map(({ name }) => name)).toEqual(['web-1']);
    expect(response.removedResources).toEqual(['reviews-v1']);
    expect(fromBinary(WorkloadSchema, response.resources[0]!.resource!.value).identity).toBe(WEB);
  });

  test('of a type that we do not know is ignored, and the stream goes on', async () => {
    const running = await start();
    const stream = await connect(running);
    stream.send({
      node: { id: 'web-1' },
      typeUrl: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
      resourceNamesSubscribe: ['x'],
    });
    stream.send({ typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    expect((await next(stream)).typeUrl).toBe(DESTINATION);
  });

  test('many changes at once arrive as one response', async () => {
    const running = await start();
    const stream = await subscribed(running, [REVIEWS]);
    ack(stream, await next(stream));
    for (let i = 1; i <= 50; i++)
      running.server.changed(running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 100, v2: i })));
    expect(weights(await next(stream))).toEqual([100, 50]);
    expect(await running.metrics.text()).toMatch(/weft_xds_responses_total 2/);
  });

  test('does not pile up for a proxy that does not read: it gets the newest when it reads again', async () => {
    const running = await start({ debounce: { quietMs: 0, maxMs: 0 } });
    const pods = Object.fromEntries(
      Array.from({ length: 3_000 }, (_, i) => [`p${i}`, `10.245.${i >> 8}.${i & 255}`]),
    );
    running.mesh.setEndpoints(anEndpointSet('reviews', pods));
    const stream = await subscribed(running, [REVIEWS]);
    await next(stream);
    stream.raw.pause();
    let generation = 0;
    await eventually(
      'the stream is stalled',
      async () => {
        running.server.changed(
          running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 100, v2: ++generation })),
        );
        await new Promise((resolve) => setTimeout(resolve, 2));
        const text = await running.metrics.text();
        return generation > 100 && Number(/weft_xds_responses_total (\d+)/.exec(text)![1]) < 40;
      },
      10_000,
    );
    stream.raw.resume();
    let last: DeltaDiscoveryResponse;
    do {
      last = await next(stream);
      ack(stream, last);
    } while (weights(last)[1] !== generation);
    expect(Number(last.nonce)).toBeLessThan(50);
  }, 20_000);
});

describe('acknowledgements', () => {
  const uid = 'policy-shop-reviews';

  test('are summed up by policy, and change is told', async () => {
    const running = await start();
    const told: string[] = [];
    running.server.onAcks((uids) => told.push(...uids));
    running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 9, v2: 1 }));
    expect(running.server.acksOf(uid)).toBeUndefined();
    const stream = await subscribed(running, [REVIEWS]);
    const response = await next(stream);
    expect(running.server.acksOf(uid)).toMatchObject({
      policy: { generation: 1 },
      subscribers: 1,
      acknowledged: 0,
      rejected: 0,
    });
    ack(stream, response);
    await eventually('acknowledged', () => running.server.acksOf(uid)?.acknowledged === 1);
    await eventually('told', () => told.includes(uid));
    stream.end();
    await eventually('nobody left', () => running.server.acksOf(uid) === undefined);
  });

  test('a rejected resource is named with its reason, counted once however often, and the next version clears it', async () => {
    const running = await start();
    let notices = 0;
    running.server.onAcks(() => notices++);
    running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 9, v2: 1 }));
    const stream = await subscribed(running, [REVIEWS]);
    const response = await next(stream);
    nack(stream, response, {
      [REVIEWS]: 'unknown critical feature "x"\n' + 'y'.repeat(1_000),
      'ip/10.9.9.9:1': 'not mine',
    });
    const summary = await eventually('rejected', () => {
      const found = running.server.acksOf(uid);
      return found?.rejected === 1 ? found : undefined;
    });
    expect(summary).toMatchObject({ subscribers: 1, acknowledged: 0 });
    expect(summary.sampleReason).toMatch(/^unknown critical feature "x" y+$/);
    expect(summary.sampleReason!.length).toBeLessThanOrEqual(256);
    for (let i = 0; i < 1_000; i++) nack(stream, response, { [REVIEWS]: `again ${i}` });
    running.server.changed(
      running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 8, v2: 2 }, { generation: 2 })),
    );
    const second = await next(stream);
    expect(running.server.acksOf(uid)).toMatchObject({
      policy: { generation: 2 },
      subscribers: 1,
      acknowledged: 0,
      rejected: 0,
    });
    ack(stream, second);
    await eventually('acknowledged', () => running.server.acksOf(uid)?.acknowledged === 1);
    expect(notices).toBeLessThan(10);
    expect(await running.metrics.text()).toMatch(/weft_xds_nacks_total 1\n/);
  });

  test('a reject of one resource does not touch the others of the same response', async () => {
    const running = await start();
    running.mesh.setService(aService({ name: 'ratings', clusterIPs: ['10.96.0.6'] }));
    running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 1 }));
    running.mesh.setPolicy(aSplitPolicy('ratings', { v1: 1 }));
    const stream = await subscribed(running, [REVIEWS, 'ip/10.96.0.6:8080']);
    nack(stream, await next(stream), { [REVIEWS]: 'bad' });
    await eventually('rejected', () => running.server.acksOf(uid)?.rejected === 1);
    expect(running.server.acksOf('policy-shop-ratings')).toMatchObject({ acknowledged: 1, rejected: 0 });
  });
});

describe('a stream is refused', () => {
  async function refusal(running: Running, stream: Stream, node = 'web-1'): Promise<string> {
    stream.send({ node: { id: node }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    const { code, message } = await stream.status;
    expect([GrpcCode.permissionDenied, GrpcCode.unavailable]).toContain(code);
    const reason = message.split(':')[0]!;
    expect(await running.metrics.text()).toContain(`weft_xds_refusals_total{reason="${reason}"} 1`);
    return reason;
  }

  test('without a client certificate', async () => {
    const running = await start();
    const attempt = connectGrpc({
      host: '127.0.0.1',
      port: running.server.port,
      roots: running.ca.roots,
    }).then(async (client) => {
      ends.push(() => client.session.destroy());
      const stream = client.bidi(deltas);
      stream.send({ node: { id: 'web-1' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
      return stream.next();
    });
    await expect(attempt.catch(() => undefined)).resolves.toBeUndefined();
    expect(await running.metrics.text()).toContain(
      'weft_xds_refusals_total{reason="untrusted-certificate"} 1',
    );
  });

  test('with a certificate of another root', async () => {
    const running = await start();
    const stranger = await testCa();
    const attempt = connect(running, WEB, { certificate: await stranger.certificate(WEB) }).then(
      async (stream) => {
        stream.send({ node: { id: 'web-1' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
        return stream.next();
      },
    );
    await expect(attempt.catch(() => undefined)).resolves.toBeUndefined();
    expect(await running.metrics.text()).toContain(
      'weft_xds_refusals_total{reason="untrusted-certificate"} 1',
    );
  });

  test('from another trust domain, even under our root', async () => {
    const running = await start();
    expect(await refusal(running, await connect(running, 'spiffe://elsewhere.example/ns/shop/sa/web'))).toBe(
      'foreign-identity',
    );
  });

  test("with a name that is no service account's", async () => {
    const running = await start();
    expect(await refusal(running, await connect(running, 'spiffe://cluster.local/web'))).toBe(
      'foreign-identity',
    );
  });

  test('for a pod that runs under another service account', async () => {
    const running = await start();
    expect(await refusal(running, await connect(running, 'spiffe://cluster.local/ns/shop/sa/other'))).toBe(
      'pod-mismatch',
    );
  });

  test('for a pod with another address, of the same service account', async () => {
    const running = await start();
    running.mesh.setWorkload(aWorkload({ uid: 'web-2', ips: ['10.244.0.99'], serviceAccount: 'web' }));
    expect(await refusal(running, await connect(running), 'web-2')).toBe('foreign-address');
  });

  test('for a pod that nobody knows', async () => {
    const running = await start();
    expect(await refusal(running, await connect(running), 'nobody')).toBe('unknown-pod');
  });

  test('for another service account also where the check of addresses is off; for another address it is not', async () => {
    const running = await start({ checkPeerAddress: false });
    expect(await refusal(running, await connect(running, 'spiffe://cluster.local/ns/shop/sa/other'))).toBe(
      'pod-mismatch',
    );
    running.mesh.setWorkload(aWorkload({ uid: 'web-2', ips: ['10.244.0.99'], serviceAccount: 'web' }));
    const stream = await connect(running);
    stream.send({ node: { id: 'web-2' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    expect((await next(stream)).resources).toHaveLength(1);
  });
});

describe('a stream', () => {
  test('waits for a pod whose address is not known yet', async () => {
    const running = await start();
    running.mesh.setWorkload(aWorkload({ uid: 'web-3', ips: [], serviceAccount: 'web' }));
    const stream = await connect(running);
    stream.send({ node: { id: 'web-3' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    setTimeout(
      () => running.mesh.setWorkload(aWorkload({ uid: 'web-3', ips: ['127.0.0.1'], serviceAccount: 'web' })),
      100,
    );
    expect((await next(stream)).resources).toHaveLength(1);
  });

  test('gives way to a newer one of the same pod', async () => {
    const running = await start();
    const older = await subscribed(running, [REVIEWS]);
    await next(older);
    const newer = await subscribed(running, [REVIEWS]);
    await next(newer);
    expect((await older.status).code).toBe(GrpcCode.aborted);
    expect(await running.metrics.text()).toMatch(/weft_xds_streams 1\n/);
  });

  test("survives the rotation of the server's certificate to another root, and new ones come in under the new", async () => {
    const running = await start();
    const old = await subscribed(running, [REVIEWS]);
    ack(old, await next(old));
    const ca = await testCa();
    running.identity.set({ ...(await ca.certificate(SERVER)), roots: running.ca.roots + ca.roots });
    running.server.changed(running.mesh.setPolicy(aSplitPolicy('reviews', { v1: 3, v2: 4 })));
    expect(weights(await next(old))).toEqual([3, 4]);
    const fresh = await connect(running, WEB, { roots: ca.roots, certificate: await ca.certificate(WEB) });
    fresh.send({ node: { id: 'web-1' }, typeUrl: DESTINATION, resourceNamesSubscribe: [REVIEWS] });
    expect(weights(await next(fresh))).toEqual([3, 4]);
  });

  test('ends with UNAVAILABLE when the server stops, and the server has ended soon', async () => {
    const running = await start();
    const stream = await subscribed(running, [REVIEWS]);
    await next(stream);
    running.stop.abort();
    expect((await stream.status).code).toBe(GrpcCode.unavailable);
    await running.server.closed;
  });
});
