import * as z from 'zod';
import { type Kind, objectSchema } from '../schema/kind.js';
import { accessLog } from './access-log.js';
import { mtlsMode } from './mtls-mode.js';
import { tracing } from './tracing.js';

const spec = z.strictObject({
  mtls: z
    .strictObject({
      mode: mtlsMode.optional().meta({
        description:
          'What meshed pods do with a caller that does not use mutual TLS. Permissive: accept it. Strict: refuse it. Disabled: callers in the mesh use plain text, too. A MeshTLSPolicy may say otherwise for its namespace. If left out, the last known setting stays; in a new mesh that is Permissive. It is never lower than the chart value mtls.minimum.',
      }),
    })
    .optional()
    .meta({ description: 'Mutual TLS between pods.' }),
  outbound: z
    .strictObject({
      policy: z.enum(['AllowAny', 'DryRunRegistryOnly', 'RegistryOnly']).optional().meta({
        description:
          "What happens to traffic from meshed pods to a destination that is neither a Service nor a pod of the mesh. AllowAny: it passes. RegistryOnly: it is refused unless an ExternalService of the pod's namespace is about it. DryRunRegistryOnly: it passes, and is counted and logged as what RegistryOnly would refuse. A namespace decides otherwise by its label weft.dev/outbound-policy, and a pod may be stricter by the same label. If left out, the last known setting stays; in a new mesh that is AllowAny. It is never lower than the chart value outbound.minimum.",
      }),
    })
    .optional()
    .meta({ description: 'Traffic that leaves the mesh.' }),
  access: z
    .strictObject({
      default: z.enum(['Allow', 'DryRunDeny', 'Deny']).optional().meta({
        description:
          'What happens to a request about which no MeshRoleBinding decides. Allow: it passes. Deny: it is refused. DryRunDeny: it passes, and is counted and logged as one that Deny would refuse. A namespace may be stricter by its label weft.dev/default-access. If left out, the last known setting stays; in a new mesh that is Allow. It is never lower than the chart value access.minimum.',
      }),
    })
    .optional()
    .meta({ description: 'Who may call whom.' }),
  forwarding: z
    .strictObject({
      via: z.boolean().optional().meta({
        description:
          'Whether each proxy adds itself, as `weft`, to the Via header of the requests and responses that it forwards (RFC 9110 7.6.3). Defaults to false.',
      }),
      forwarded: z.boolean().optional().meta({
        description:
          "Whether a pod's proxy tells its application in the Forwarded header which pod called, and for which host (RFC 7239). The last element is the proxy's. Defaults to false.",
      }),
    })
    .optional()
    .meta({ description: 'Headers that proxies add to requests and responses.' }),
  tracing: tracing.optional().meta({
    description:
      'Distributed tracing: proxies export spans of HTTP and gRPC requests to an OpenTelemetry Collector, at the caller and at the receiver, and propagate the headers traceparent, tracestate and B3. By default nothing is exported and no header is touched.',
  }),
  accessLog: accessLog.optional().meta({
    description:
      'Access log: which HTTP and gRPC requests proxies log, a line each, to their standard output. The annotation weft.dev/access-log of a pod, and a TrafficPolicy, take precedence. By default nothing is logged.',
  }),
});

const schema = objectSchema('MeshConfig', spec);

/** What holds for the whole mesh. There is one, named `default`. */
export type MeshConfig = z.infer<typeof schema>;

export const meshConfig = {
  kind: 'MeshConfig',
  plural: 'meshconfigs',
  singular: 'meshconfig',
  shortNames: ['mc'],
  scope: 'Cluster',
  description:
    'Settings of the whole mesh. There is one MeshConfig, named default. Security settings (mtls, outbound, access) are lowered only by saying so here: if the object is deleted or a field is left out, what was last in force stays.',
  schema,
  spec,
  rules: [
    {
      cel: "self.metadata.name == 'default'",
      message: 'there is one MeshConfig in a cluster, and its name is default; rename it',
      field: '.metadata.name',
      holds: ({ metadata }) => metadata.name === 'default',
    },
  ],
  status: true,
  columns: [
    { name: 'mTLS', type: 'string', jsonPath: '.spec.mtls.mode' },
    { name: 'Outbound', type: 'string', jsonPath: '.spec.outbound.policy' },
    { name: 'Accepted', type: 'string', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
    { name: 'Programmed', type: 'string', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
} as const satisfies Kind;
