import { create } from '@bufbuild/protobuf';
import { ipBytes, type PodCollector } from '../../model/index.js';
import {
  CollectorSchema,
  Tracing_Protocol as Protocol,
  type Collector as WireCollector,
} from '../../wire/gen/weft/v1/workload_pb.js';

/** Who is told by OTLP, as the message of the wire contract. */
export function toWireCollector({ asks, protocol }: PodCollector): WireCollector {
  return create(CollectorSchema, {
    ...(asks === undefined ? {} : { service: asks.service, address: ipBytes(asks.address), port: asks.port }),
    protocol: protocol === 'grpc' ? Protocol.GRPC : Protocol.HTTP,
  });
}
