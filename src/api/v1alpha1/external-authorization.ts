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

/** What stands before the path of a question: segments that can be read in one way only. */
const prefix = withRules(
  z
    .string()
    .max(1024)
    .regex(/^(\/[-A-Za-z0-9._~!$&'()*+,=:@]+)*\/?$/),
  {
    cel: "!self.matches('/[.][.]?(/|$)')",
    message: 'must not have the segments . and ..',
    holds: (path) => !/\/[.][.]?(\/|$)/.test(path),
  },
);

const http = z.strictObject({
  path: prefix.optional().meta({
    description: 'Prefix added to the path of the request, which keeps its query. By default there is none.',
  }),
  allowedResponseHeaders: z.array(headerName).min(1).max(64).optional().meta({
    description:
      "Names of headers that the request gets from the Service's answer when it is allowed. A header of such a name that the caller sent is removed, whatever the answer. By default none.",
  }),
  allowedClientHeaders: z.array(headerName).min(1).max(64).optional().meta({
    description:
      'Names of headers that the caller gets from the answer of the Service when the request is denied, beside Content-Type, Location, WWW-Authenticate and Proxy-Authenticate. By default all but those that belong to one connection.',
  }),
});

const body = z.strictObject({
  maxBytes: z.int().min(1).max(1_048_576).meta({
    description:
      'The most bytes of the body that are sent to the Service. The request waits until they have arrived, and is held in memory.',
  }),
  onTooLong: z.enum(['Deny', 'SendPartial']).optional().meta({
    description:
      'What becomes of a request whose body is longer. Deny refuses it with 413, or RESOURCE_EXHAUSTED, whatever onFailure says. SendPartial sends the first maxBytes bytes. A body that takes longer than 5s to arrive counts as longer; Deny refuses it with 408. Defaults to Deny.',
  }),
});

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
          'Service that is asked. It must speak `protocol` and needs a cluster IP. Requests to the Service itself are not checked by it.',
      }),
    protocol: z.enum(['GRPC', 'HTTP']).optional().meta({
      description:
        'How it is asked. GRPC calls envoy.service.auth.v3.Authorization, which Open Policy Agent and others implement. HTTP sends the method, path and some headers of the request, which is allowed if the answer is 200; 5xx is no usable answer, and anything else denies. Defaults to GRPC.',
    }),
    http: http.optional().meta({ description: 'How it is asked over HTTP.' }),
    body: body
      .optional()
      .meta({ description: 'Sends the body of the request to the Service, too. By default it is not sent.' }),
    timeout: duration.optional().meta({
      description:
        'How long a request waits for the answer. At least 1ms and at most 10s. Defaults to 500ms.',
    }),
    onFailure: z.enum(['Deny', 'Allow']).optional().meta({
      description:
        'What becomes of a request about which there is no usable answer, because the Service is missing, unreachable, too slow or says nothing sensible. Deny refuses it with 503, or UNAVAILABLE. Allow lets it pass unchecked. Defaults to Deny.',
    }),
    allowedHeaders: z.array(headerName).min(1).max(64).optional().meta({
      description:
        'Names of the request headers that are sent to the Service. By default all of them with GRPC. With HTTP, Host and Authorization are always sent, and by default no others.',
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
  {
    cel: "!has(self.http) || (has(self.protocol) && self.protocol == 'HTTP')",
    message: 'needs protocol HTTP',
    field: '.http',
    holds: ({ http, protocol }) => http === undefined || protocol === 'HTTP',
  },
);
