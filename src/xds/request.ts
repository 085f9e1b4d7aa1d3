import { fromBinary } from '@bufbuild/protobuf';
import type { DeltaDiscoveryRequest } from '../wire/gen/envoy/service/discovery/v3/ads_pb.js';
import type { Status } from '../wire/gen/google/rpc/status_pb.js';
import { RejectsSchema, type Rejects } from '../wire/gen/weft/v1/reject_pb.js';

/** What a proxy said, read once at the edge. */
export interface DeltaRequest {
  readonly typeUrl: string;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** Name to version of what the proxy holds already; only counts in the first request of a type. */
  readonly initialVersions: Readonly<Record<string, string>>;
  /** The response this one answers; empty: none. */
  readonly nonce: string;
  /** Set on a NACK. */
  readonly error?: RejectedResponse;
}

export interface RejectedResponse {
  /** For resources of the response that `reasons` leaves out, if it leaves all out. */
  readonly message: string;
  /** Resource name to reason. Empty: the proxy did not say which, so it was all of them. */
  readonly reasons: ReadonlyMap<string, string>;
}

export function readRequest(request: DeltaDiscoveryRequest): DeltaRequest {
  return {
    typeUrl: request.typeUrl,
    subscribe: request.resourceNamesSubscribe,
    unsubscribe: request.resourceNamesUnsubscribe,
    initialVersions: request.initialResourceVersions,
    nonce: request.responseNonce,
    ...(request.errorDetail === undefined ? {} : { error: readError(request.errorDetail) }),
  };
}

const REJECTS = /(^|\/)weft\.v1\.Rejects$/;

function readError(status: Status): RejectedResponse {
  const reasons = new Map<string, string>();
  for (const detail of status.details) {
    if (!REJECTS.test(detail.typeUrl)) continue;
    for (const { resource, reason } of readRejects(detail.value)?.rejects ?? [])
      reasons.set(resource, plain(reason));
  }
  return { message: plain(status.message), reasons };
}

/** Details that do not decode name nothing: the whole response counts as rejected then. */
function readRejects(bytes: Uint8Array): Rejects | undefined {
  try {
    return fromBinary(RejectsSchema, bytes);
  } catch {
    return undefined;
  }
}

/** Text from a proxy ends up in conditions and logs: short, and no control characters. */
function plain(text: string): string {
  return (
    text
      .slice(0, 256)
      .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
      .trim() || 'no reason given'
  );
}
