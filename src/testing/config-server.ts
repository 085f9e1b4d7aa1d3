import { create, fromBinary, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerIdentity } from '../grpc/index.js';
import { Metrics, createLogger, watched, type Settable } from '../base/index.js';
import { podDirectory } from '../identity/index.js';
import type { MeshTables } from '../model/index.js';
import {
  AggregatedDiscoveryService,
  type DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import { DestinationSchema, type Destination } from '../wire/gen/weft/v1/destination_pb.js';
import { RejectsSchema } from '../wire/gen/weft/v1/reject_pb.js';
import { ProxyPort, type ProxyPortOptions, type RunningFront } from '../proxies/index.js';
import { ConfigService, type ConfigServiceOptions } from '../xds/index.js';
import { FrontStandIn, type StandInStream } from './front-stand-in.js';
import { aMesh } from './mesh-fixture.js';
import { testCa, type TestCa } from './test-ca.js';

/** A real config server over a mesh in memory, and proxies that talk to it by a stand-in for its front, for tests of what they tell each other. */

export const SERVER = 'spiffe://cluster.local/ns/weft-system/sa/weft';
export const WEB = 'spiffe://cluster.local/ns/shop/sa/web';
export const DESTINATION = 'type.weft.dev/weft.v1.Destination';
export const WORKLOAD = 'type.weft.dev/weft.v1.Workload';
export const REVIEWS = 'ip/10.96.0.5:8080';
const deltas = AggregatedDiscoveryService.method.deltaAggregatedResources;

export type Stream = StandInStream<
  MessageInitShape<typeof DeltaDiscoveryRequestSchema>,
  DeltaDiscoveryResponse
>;

const ends: (() => void)[] = [];

/** Ends every server and connection of the functions below; call it after each test. */
export function endAll(): void {
  for (const end of ends.splice(0)) end();
}

export interface Running {
  readonly ca: TestCa;
  readonly mesh: MeshTables;
  readonly service: ConfigService;
  readonly port: RunningFront;
  readonly front: FrontStandIn;
  /** What ended the port before it was told to. */
  readonly failures: unknown[];
  readonly metrics: Metrics;
  readonly identity: Settable<ServerIdentity>;
  readonly stop: AbortController;
}

export async function startConfig(
  options: Partial<ProxyPortOptions & ConfigServiceOptions> & { checkPeerAddress?: boolean } = {},
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
  const service = new ConfigService({ mesh, log, metrics, ...options }, stop.signal);
  const front = new FrontStandIn();
  const failures: unknown[] = [];
  const failed = (thrown: unknown) => void failures.push(thrown);
  const shared = { identity, podCheck, log, metrics, front: front.start, failed };
  const proxies = { port: 0, trustDomain: 'cluster.local', ...shared, ...options };
  const port = await new ProxyPort(proxies).serve(service).listen(stop.signal);
  ends.push(() => stop.abort());
  return { ca, mesh, service, port, front, failures, metrics, identity, stop };
}

/** A stream with a certificate for this SPIFFE name, or with this one. */
export async function connect(
  { ca, front }: Running,
  as = WEB,
  certificate?: { readonly chain: string },
): Promise<Stream> {
  const { chain } = certificate ?? (await ca.certificate(as));
  const stream = await front.connect(deltas, { chain });
  ends.push(() => stream.close());
  return stream;
}

/** A stream of pod `web-1` that has asked for these names. */
export async function subscribed(
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

export async function next(stream: Stream): Promise<DeltaDiscoveryResponse> {
  const response = await stream.next();
  if (response === undefined) throw new Error(`the stream ended: ${JSON.stringify(await stream.status)}`);
  return response;
}

export function destination(response: DeltaDiscoveryResponse): Destination {
  return fromBinary(DestinationSchema, response.resources[0]!.resource!.value);
}

export function ack(stream: Stream, response: DeltaDiscoveryResponse): void {
  stream.send({ typeUrl: response.typeUrl, responseNonce: response.nonce });
}

export function nack(
  stream: Stream,
  response: DeltaDiscoveryResponse,
  reasons: Record<string, string>,
): void {
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
