import * as z from 'zod';
import { dnsLabel, port } from '../schema/fields.js';

const service = z.strictObject({
  name: dnsLabel.meta({ description: 'Name of the Service.' }),
  namespace: dnsLabel.meta({ description: 'Its namespace.' }),
  port: port.meta({ description: 'Its port: by convention 4317 for GRPC and 4318 for HTTP.' }),
});

const protocol = z.enum(['GRPC', 'HTTP']).optional();

type Collector = z.ZodObject<{ service: typeof service; protocol: typeof protocol }, z.core.$strict>;

/** An OpenTelemetry Collector that takes such things, over HTTP at this path. */
export function collector(what: 'spans' | 'log records', path: `/v1/${string}`): Collector {
  return z.strictObject({
    service: service.meta({
      description: `Service that takes ${what}, such as that of an OpenTelemetry Collector. It needs a cluster IP. Proxies reach it as meshed pods reach any Service.`,
    }),
    protocol: protocol.meta({
      description: `How it is spoken to: OTLP over gRPC, or OTLP as protobuf over HTTP to the path ${path}. Defaults to GRPC.`,
    }),
  });
}
