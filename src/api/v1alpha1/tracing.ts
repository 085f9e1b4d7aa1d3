import * as z from 'zod';
import { dnsLabel, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { onePortion, portion } from './portion.js';

/** Which of the traces that begin in a proxy are sampled. */
export const sampling = withRules(z.strictObject(portion), onePortion);

/** Who is told of requests as traces. */
export const tracing = z.strictObject({
  collector: z
    .strictObject({
      service: z
        .strictObject({
          name: dnsLabel.meta({ description: 'Name of the Service.' }),
          namespace: dnsLabel.meta({ description: 'Its namespace.' }),
          port: port.meta({ description: 'Its port: by convention 4317 for GRPC and 4318 for HTTP.' }),
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
      'Share of the traces that begin in a proxy to sample. A request that already belongs to a trace is sampled if that trace is, whatever this says.',
  }),
});

/** What a policy says of the traces of its Service. */
export const policyTracing = z.strictObject({
  sampling: sampling.meta({
    description:
      'Share of the traces that begin with a request to the Service to sample, overriding the MeshConfig. A request that already belongs to a trace is sampled if that trace is.',
  }),
});
