import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { dnsLabel, duration, headerName, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';

/** Who else is asked whether a request may reach the pods of a Service. */

const path = z.string().max(1024).regex(/^\//);

const exemption = withRules(
  z.strictObject({
    method: z
      .enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'])
      .optional()
      .meta({ description: 'The HTTP method. Defaults to any.' }),
    exact: path.optional().meta({ description: 'The whole path, without the query.' }),
    prefix: path.optional().meta({ description: 'By segment: /api matches /api and /api/x, never /apix.' }),
  }),
  {
    cel: 'has(self.exact) != has(self.prefix)',
    message: 'give either exact or prefix',
    holds: ({ exact, prefix }) => (exact === undefined) !== (prefix === undefined),
  },
);

export const externalAuthorization = withRules(
  z.strictObject({
    service: z
      .strictObject({
        name: dnsLabel.meta({ description: 'Name of the Service.' }),
        namespace: dnsLabel.optional().meta({
          description:
            'Its namespace. Defaults to the namespace of the policy. Another one has to permit the reference with a ReferenceGrant.',
        }),
        port: port.meta({ description: 'Its port.' }),
      })
      .meta({
        description:
          'Service that is asked. It implements envoy.service.auth.v3.Authorization over gRPC, as Open Policy Agent and others do. It needs a cluster IP. Requests to the Service itself are not checked by it.',
      }),
    timeout: duration.optional().meta({
      description:
        'How long a request waits for the answer. At least 1ms and at most 10s. Defaults to 500ms.',
    }),
    onFailure: z.enum(['Deny', 'Allow']).optional().meta({
      description:
        'What becomes of a request about which there is no usable answer, because the Service is missing, unreachable, too slow or says nothing sensible. Deny refuses it with 503, or UNAVAILABLE. Allow lets it pass unchecked. Defaults to Deny.',
    }),
    allowedHeaders: z.array(headerName).min(1).max(64).optional().meta({
      description: 'Names of the request headers that are sent to the Service. By default all of them.',
    }),
    exempt: z.array(exemption).min(1).max(16).optional().meta({
      description:
        'Requests that are let in unchecked, such as health checks: those that one of these matches. A path that could be read in two ways matches none.',
    }),
    mode: z.enum(['Enforce', 'DryRun']).optional().meta({
      description:
        'DryRun asks about every request, lets every request in unchanged and counts those that would be refused. Defaults to Enforce.',
    }),
  }),
  {
    cel: "!has(self.timeout) || (duration(self.timeout) >= duration('1ms') && duration(self.timeout) <= duration('10s'))",
    message: 'must be between 1ms and 10s',
    field: '.timeout',
    holds: ({ timeout }) => {
      const ms = timeout === undefined ? undefined : durationMs(timeout);
      return ms === undefined || (ms >= 1 && ms <= 10_000);
    },
  },
);
