import { create } from '@bufbuild/protobuf';
import type { Timeouts } from '../../model/index.js';
import { type Timeouts as WireTimeouts, TimeoutsSchema } from '../../wire/gen/weft/v1/destination_pb.js';

/** How long requests of a route may take. */
export function toWireTimeouts({ requestMs, perTryMs }: Timeouts): WireTimeouts {
  return create(TimeoutsSchema, { requestMs: wireMs(requestMs), perTryMs: wireMs(perTryMs) });
}

/** Milliseconds that fit the wire's 32 bits: 49 days and no more. */
function wireMs(ms: number | undefined): number {
  return Math.min(ms ?? 0, 0xffff_ffff);
}
