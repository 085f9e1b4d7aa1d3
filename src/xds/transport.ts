import {
  bidi,
  startGrpcServer,
  type GrpcServer,
  type GrpcStatus,
  type Peer,
  type ServerIdentity,
} from '../base/grpc/index.js';
import type { Logger, Watched } from '../base/index.js';
import {
  AggregatedDiscoveryService,
  type DeltaDiscoveryRequest,
} from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';

/** Port: one proxy's stream, whatever carries it. */
export interface ConfigStream {
  readonly peer: Peer;
  /** Aborts when the stream has ended. */
  readonly signal: AbortSignal;
  /** Aborts when the stream should end soon: the connection's age, a shutdown. */
  readonly draining: AbortSignal;
  /** Sends a response given in parts; false: wait for `writable`. */
  send(parts: readonly Uint8Array[]): boolean;
  finish(status: GrpcStatus): void;
  /** Ends the stream with the status for whatever was thrown. */
  fail(thrown: unknown): void;
}

/** Port: what a stream calls. */
export interface ConfigStreamHandler {
  request(request: DeltaDiscoveryRequest): void;
  writable(): void;
  halfClosed(): void;
}

export interface TransportOptions {
  readonly host?: string;
  readonly port: number;
  readonly identity: Watched<ServerIdentity>;
  readonly log: Logger;
  readonly open: (stream: ConfigStream) => ConfigStreamHandler;
  /** Told of connections that were refused for their certificate, and so never became a stream. */
  readonly untrusted: (address: string, why: string) => void;
}

/** Ten thousand names with their versions, sent when a stream is resumed, fit into this. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** A proxy answers each response, of which there are few, and asks as its pod finds new destinations. */
const MAX_REQUESTS_PER_SECOND = 200;

/** Serves delta ADS as gRPC over mutual TLS. The only file of the room that knows how. */
export async function startTransport(options: TransportOptions, signal: AbortSignal): Promise<GrpcServer> {
  const deltas = bidi(AggregatedDiscoveryService.method.deltaAggregatedResources, (call) => {
    // Clients wait for headers before they trust a stream, also where there is nothing to tell them yet.
    call.start();
    const handler = options.open(call);
    return {
      message: (request) => handler.request(request),
      writable: () => handler.writable(),
      halfClosed: () => handler.halfClosed(),
    };
  });
  return startGrpcServer(
    {
      ...(options.host === undefined ? {} : { host: options.host }),
      port: options.port,
      identity: options.identity,
      requireClientCertificate: true,
      methods: [deltas],
      maxMessageBytes: MAX_REQUEST_BYTES,
      messagesPerSecond: MAX_REQUESTS_PER_SECOND,
      onUntrusted: options.untrusted,
      maxStreams: 4,
      log: options.log,
    },
    signal,
  );
}
