// What goes on while the rows are played, in a process of its own: pods are created, get their certificates and their
// configuration, and the kubelet asks whether the replica is ready.
import { once } from 'node:events';
import { request } from 'node:https';
import { aReview } from '../../src/admission/inject/fixtures.js';
import { sleep } from '../../src/base/index.js';
import { connectGrpc } from '../../src/grpc/index.js';
import { testCsr } from '../../src/testing/test-csr.js';
import { AggregatedDiscoveryService } from '../../src/wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { IdentityAuthority } from '../../src/wire/gen/weft/identity/v1/identity_pb.js';
import { HONEST, HONEST_PODS, type Target } from './target.js';

/** How one kind of honest request went since it was asked last. */
export interface Served {
  answered: number;
  failed: number;
  /** The slowest answer, in milliseconds. */
  slowestMs: number;
  /** Why the last one failed. */
  why: string;
}
export type Honest = Record<'reviews' | 'certificates' | 'streams' | 'probes', Served>;

const GAP_MS = 200;
/** As long as the API server waits for the webhook, and a proxy for its certificate. */
const PATIENCE_MS = 5_000;

const nothing = (): Served => ({ answered: 0, failed: 0, slowestMs: 0, why: '' });
const fresh = (): Honest => ({
  reviews: nothing(),
  certificates: nothing(),
  streams: nothing(),
  probes: nothing(),
});

/** Goes on until the parent goes, and answers each message with how it went. */
export async function beHonest(target: Target): Promise<void> {
  let honest = fresh();
  process.on('message', () => {
    process.send?.(honest);
    honest = fresh();
  });
  const csr = await testCsr();
  let pod = 0;
  await Promise.all([
    repeat(
      () => honest.reviews,
      async () => review(target),
    ),
    repeat(
      () => honest.certificates,
      async () => certify(target, csr, `honest-${pod++ % HONEST_PODS}`),
    ),
    repeat(
      () => honest.streams,
      async () => subscribe(target),
    ),
    repeat(
      () => honest.probes,
      async () => probe(target),
    ),
  ]);
}

async function repeat(served: () => Served, act: () => Promise<void>): Promise<never> {
  for (;;) {
    const began = performance.now();
    const late = sleep(PATIENCE_MS).then(() => {
      throw new Error(`no answer within ${PATIENCE_MS} ms`);
    });
    late.catch(() => undefined);
    try {
      await Promise.race([act(), late]);
      served().answered += 1;
      served().slowestMs = Math.max(served().slowestMs, performance.now() - began);
    } catch (thrown) {
      served().failed += 1;
      served().why = thrown instanceof Error ? thrown.message : String(thrown);
    }
    await sleep(GAP_MS);
  }
}

async function review({ ports, roots }: Target): Promise<void> {
  const pod = { metadata: {}, spec: { containers: [{ name: 'app' }] } };
  const body = JSON.stringify(aReview(pod));
  const call = request({
    host: HONEST,
    localAddress: HONEST,
    port: ports.webhook,
    path: '/inject',
    method: 'POST',
    ca: roots,
    servername: 'weft',
    agent: false,
    headers: { 'content-length': Buffer.byteLength(body) },
  });
  call.end(body);
  const [response] = (await once(call, 'response')) as [NodeJS.ReadableStream & { statusCode?: number }];
  response.resume();
  await once(response, 'end');
  if (response.statusCode !== 200) throw new Error(`the webhook answered ${response.statusCode}`);
}

async function certify({ ports, roots }: Target, csr: Uint8Array<ArrayBuffer>, pod: string): Promise<void> {
  const client = await connectGrpc({ host: HONEST, localAddress: HONEST, port: ports.csr, roots });
  try {
    await client.unary(IdentityAuthority.method.certify, { csr }, { authorization: `Bearer ${pod}` });
  } finally {
    client.session.destroy();
  }
}

async function subscribe({ ports, roots, honest: certificate }: Target): Promise<void> {
  const at = { host: HONEST, localAddress: HONEST, port: ports.config };
  const client = await connectGrpc({ ...at, roots, certificate });
  try {
    const stream = client.bidi(AggregatedDiscoveryService.method.deltaAggregatedResources);
    stream.send({
      node: { id: 'honest-0' },
      typeUrl: 'type.weft.dev/weft.v1.Destination',
      resourceNamesSubscribe: ['ip/10.96.0.5:8080'],
    });
    if ((await stream.next()) === undefined) throw new Error(JSON.stringify(await stream.status));
  } finally {
    client.session.destroy();
  }
}

async function probe({ ports }: Target): Promise<void> {
  const response = await fetch(`http://${HONEST}:${ports.health}/ready`);
  if ((await response.text()) !== 'ready\n') throw new Error(`the probe got ${response.status}`);
}
