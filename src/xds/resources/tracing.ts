import { create } from '@bufbuild/protobuf';
import { ipBytes, type PodTracing } from '../../model/index.js';
import {
  TracingSchema,
  Tracing_Protocol as Protocol,
  type Tracing as WireTracing,
} from '../../wire/gen/weft/v1/workload_pb.js';
import { millionths } from './millionths.js';

/** What a pod tells of requests as the message of the wire contract. */
export function toWireTracing({ asks, protocol, sampling }: PodTracing): WireTracing {
  return create(TracingSchema, {
    ...(asks === undefined ? {} : { service: asks.service, address: ipBytes(asks.address), port: asks.port }),
    protocol: protocol === 'grpc' ? Protocol.GRPC : Protocol.HTTP,
    sampling: millionths(sampling),
  });
}
