import { create } from '@bufbuild/protobuf';
import type { PodTracing } from '../../model/index.js';
import { TracingSchema, type Tracing as WireTracing } from '../../wire/gen/weft/v1/workload_pb.js';
import { toWireCollector } from './collector.js';
import { millionths } from './millionths.js';

/** What a pod tells of requests as the message of the wire contract. */
export function toWireTracing({ sampling, ...collector }: PodTracing): WireTracing {
  const { service, address, port, protocol } = toWireCollector(collector);
  return create(TracingSchema, { service, address, port, protocol, sampling: millionths(sampling) });
}
