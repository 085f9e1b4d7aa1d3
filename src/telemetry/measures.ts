import { Measure } from '../wire/gen/weft/telemetry/v1/telemetry_pb.js';

/** What is counted, by its place in a row of counts: the numbers of the wire. */
export const Counted = {
  ok: Measure.OK,
  clientError: Measure.CLIENT_ERROR,
  serverError: Measure.SERVER_ERROR,
  left: Measure.LEFT,
  grpcError: Measure.GRPC_ERROR,
  retry: Measure.RETRY,
  limited: Measure.LIMITED,
  wouldLimit: Measure.WOULD_LIMIT,
  denied: Measure.DENIED,
  wouldDeny: Measure.WOULD_DENY,
  connection: Measure.CONNECTION,
} as const;

/** Length of a row of counts. */
export const COUNTS = Measure.CONNECTION + 1;

/** Upper bounds of the buckets of latency, in milliseconds; one more bucket is for what took longer. */
export const LATENCY_BOUNDS_MS: readonly number[] = [
  0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000,
];

export const LATENCIES = LATENCY_BOUNDS_MS.length + 1;

/** The number that the first bucket has on the wire. */
export const LATENCY_FROM: number = Measure.LATENCY;
