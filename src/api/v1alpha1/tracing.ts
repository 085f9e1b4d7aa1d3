import * as z from 'zod';
import { dnsLabel, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { onePortion, portion } from './portion.js';

/** Which traces are told, of those that begin in a proxy. */
export const sampling = withRules(z.strictObject(portion), onePortion);

/** Who is told of requests as traces. */
export const tracing = z.strictObject({
  collector: z
    .strictObject({
      service: z
        .strictObject({
          name: dnsLabel.meta({ description: 'Name of the Service.' }),
          namespace: dnsLabel.meta({ description: 'Its namespace.' }),
          port: port.meta({ description: 'Its port: by custom 4317 for GRPC and 4318 for HTTP.' }),
        })
        .meta({
          description:
            'Service that takes spans, such as that of an OpenTelemetry Collector. It needs a cluster IP. Proxies reach it as meshed pods reach any Service.',
        }),
      protocol: z.enum(['GRPC', 'HTTP']).optional().meta({
        description:
          'How it is spoken to: OTLP over gRPC, or OTLP as protobuf over HTTP to the path /v1/traces. Defaults to GRPC.',
      }),
    })
    .meta({ description: 'Where spans are sent.' }),
  sampling: sampling.meta({
    description:
      'How many of the traces that begin in a proxy are told. A request that belongs to a trace already is told if that trace is, whatever stands here.',
  }),
});

/** What a policy says of the traces of its Service. */
export const policyTracing = z.strictObject({
  sampling: sampling.meta({
    description:
      'How many of the traces that begin with a request to the Service are told, in place of what the MeshConfig says. A request that belongs to a trace already is told if that trace is.',
  }),
});
