import { type TrafficPolicy, durationMs } from '../../api/index.js';
import type { Fault } from '../words/resilience.js';
import { translatePortion } from './to-portion.js';

type ApiFault = NonNullable<NonNullable<TrafficPolicy['spec']['routes']>[number]['fault']>;
type ApiAbort = NonNullable<ApiFault['abort']>;

/** Far above what an experiment needs, and far below what would fill a proxy's memory with requests that wait. */
const MAX_ACTIVE = 1000;

/** Which requests fail on purpose. */
export function translateFault(fault: ApiFault | undefined): { readonly fault?: Fault } {
  if (fault === undefined) return {};
  const { abort, delay, slowBody, maxActive } = fault;
  return {
    fault: {
      ...(abort === undefined ? {} : { abort: translateAbort(abort) }),
      ...(delay === undefined
        ? {}
        : { delay: { portion: translatePortion(delay), durationMs: durationMs(delay.duration) ?? 0 } }),
      ...(slowBody === undefined
        ? {}
        : { slowBody: { portion: translatePortion(slowBody), bytesPerSecond: slowBody.bytesPerSecond } }),
      maxActive: maxActive ?? MAX_ACTIVE,
    },
  };
}

function translateAbort(abort: ApiAbort): NonNullable<Fault['abort']> {
  const { status, grpcStatus } = abort;
  return { portion: translatePortion(abort), status, grpcStatus: grpcStatus ?? grpcStatusOf(status) };
}

/** What gRPC clients make of an HTTP status (gRPC, "HTTP to gRPC Status Code Mapping"). */
function grpcStatusOf(status: number): number {
  return GRPC_STATUSES.get(status) ?? UNKNOWN;
}

const UNKNOWN = 2;
const GRPC_STATUSES: ReadonlyMap<number, number> = new Map([
  [400, 13],
  [401, 16],
  [403, 7],
  [404, 12],
  [429, 14],
  [502, 14],
  [503, 14],
  [504, 14],
]);
