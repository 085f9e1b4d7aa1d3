import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { dnsLabel, dnsName, duration, headerName, port } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { limitMatch } from './match.js';

/** How many requests the pods of a Service take, and send. */

const amount = (what: string) => z.int().min(1).max(1_000_000).meta({ description: what });

/** A rate limit service finds its limits by such texts. */
const entryText = z.string().min(1).max(256);

const keyPart = withRules(
  z.strictObject({
    caller: z.enum(['ServiceAccount', 'Namespace', 'Address', 'Network']).optional().meta({
      description:
        "Something about the caller. ServiceAccount and Namespace are those of its mesh certificate; callers without one count as one caller. Address is the address it connects from, Network that address's /24 (IPv4) or /64 (IPv6).",
    }),
    request: z.enum(['Method', 'Path']).optional().meta({
      description: 'Something about the request. Path is without the query.',
    }),
    header: headerName.optional().meta({
      description: 'Name of a header. Requests without it count together.',
    }),
    claim: z
      .strictObject({
        issuer: z.string().min(1).max(1024).meta({
          description:
            'The claim iss of the token, and spec.issuer of a JwtIssuer in the namespace of the policy.',
        }),
        path: z.array(z.string().min(1).max(256)).min(1).max(8).meta({
          description: 'Name of the claim; of one that is inside of others, the names from the outermost on.',
        }),
      })
      .optional()
      .meta({
        description:
          'A claim of the token that the request has. Requests without a valid token of the issuer, and those whose claim is missing or is not a text, a whole number, true or false, count together.',
      }),
    constant: z
      .strictObject({
        name: entryText.meta({ description: 'What the service knows it by.' }),
        value: entryText.meta({ description: 'Its value.' }),
      })
      .optional()
      .meta({
        description:
          'Something that is the same for every request, by which a rate limit service finds the limit that is meant. With scope Shared only.',
      }),
  }),
  {
    cel: '[has(self.caller), has(self.request), has(self.header), has(self.claim), has(self.constant)].exists_one(given, given)',
    message: 'give exactly one of caller, request, header, claim and constant',
    holds: (given) => Object.values(given).filter((value) => value !== undefined).length === 1,
  },
);

const cost = withRules(
  z.strictObject({
    amount: amount(
      'What a request takes when it comes, and in the end where its response does not say. At most burst. Defaults to 1.',
    ).optional(),
    responseHeader: headerName.optional().meta({
      description:
        'Name of a header, or trailer, of the response, a whole number: what the request took in the end. A limit that owes more than it had refuses requests until it has made up for that.',
    }),
    responseField: z.array(z.string().min(1).max(256)).min(1).max(8).optional().meta({
      description:
        'Instead of a header: a member of a JSON response that says so, by its names from the outermost on. Of server-sent events, or lines of JSON, the last one that has it counts. Compressed responses are not read.',
    }),
  }),
  {
    cel: 'has(self.amount) || has(self.responseHeader) || has(self.responseField)',
    message: 'is empty; give amount, responseHeader or responseField, or leave cost out to count requests',
    holds: (given) => Object.values(given).some((value) => value !== undefined),
  },
  {
    cel: '!(has(self.responseHeader) && has(self.responseField))',
    message: 'give one of responseHeader and responseField',
    holds: ({ responseHeader, responseField }) => responseHeader === undefined || responseField === undefined,
  },
);

/** In milliseconds: what a rate limit service counts by. */
const UNITS = [1_000, 60_000, 3_600_000, 86_400_000];

const service = z.strictObject({
  name: dnsLabel.meta({ description: 'Name of the Service.' }),
  namespace: dnsLabel.optional().meta({
    description:
      'Its namespace. Defaults to the namespace of the policy. Another one has to permit the reference with a ReferenceGrant.',
  }),
  port: port.meta({ description: 'Its port.' }),
  domain: z.string().min(1).max(256).optional().meta({
    description:
      'Which configuration of the service holds. The service has to know a domain of that name. Defaults to weft.',
  }),
});

const callee = withRules(
  z.strictObject({
    kind: z.enum(['Service', 'ExternalService']).meta({ description: 'Kind of the object that is called.' }),
    name: dnsName.meta({ description: 'Name of the object.' }),
    namespace: dnsLabel.optional().meta({
      description: 'Namespace of the Service. Defaults to the namespace of the policy.',
    }),
  }),
  {
    cel: "self.kind == 'Service' || !has(self.__namespace__)",
    message: 'pods use the ExternalServices of their own namespace; leave it out',
    field: '.namespace',
    holds: ({ kind, namespace }) => kind === 'Service' || namespace === undefined,
  },
);

const limit = withRules(
  z.strictObject({
    name: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
      .optional()
      .meta({
        description:
          'Name of the limit, unique in the policy, for metrics and for what callers are told. Defaults to limit-<position>, counted from 0.',
      }),
    requests: amount(
      'Number of requests, or with cost the amount, that is let in... Required, but with scope Shared, where the service knows how many if requests and per are left out.',
    ).optional(),
    per: duration.optional().meta({
      description: '...during this time. At least 1ms and at most 24h; with scope Shared 1s, 1m, 1h or 24h.',
    }),
    burst: amount(
      "Number, or amount, that may come at once. Defaults to requests. With scope Shared it is that of the pods' share, which holds while the service does not answer.",
    ).optional(),
    to: callee.optional().meta({
      description:
        'Limits what the pods of the Service send to this one instead of what they accept; the proxies of the senders enforce it. Requests are counted by the Service that is called, on any of its ports, wherever its routes lead.',
    }),
    match: z.array(limitMatch).min(1).max(8).optional().meta({
      description:
        'Only requests for which any of these holds are counted, and refused. By default every request.',
    }),
    cost: cost.optional().meta({
      description: 'What a request takes of the limit. By default each is one.',
    }),
    key: z.array(keyPart).min(1).max(4).optional().meta({
      description:
        'Counts requests separately by these values; each combination of them has the whole limit.',
    }),
    scope: z.enum(['Service', 'Pod', 'Shared']).optional().meta({
      description:
        'Service: the ready pods of the Service share the limit evenly. Pod: each pod has the whole limit. Shared: a rate limit service counts for all pods. Defaults to Service.',
    }),
    service: service.optional().meta({
      description:
        'Who counts, with scope Shared: a Service that implements envoy.service.ratelimit.v3.RateLimitService over gRPC. It needs a cluster IP.',
    }),
    timeout: duration.optional().meta({
      description:
        'How long a request waits for the answer of the service. At least 1ms and at most 10s. Defaults to 100ms.',
    }),
    onFailure: z.enum(['PodShare', 'Allow', 'Deny']).optional().meta({
      description:
        'What becomes of a request about which the service gives no usable answer. PodShare: the ready pods share the limit evenly meanwhile, as with scope Service. Allow lets it pass uncounted. Deny refuses it with 503, or UNAVAILABLE. Defaults to PodShare where requests and per are given, and to Allow where only the service knows them.',
    }),
    mode: z.enum(['Enforce', 'DryRun']).optional().meta({
      description:
        'DryRun lets every request in and counts those that would be refused. Defaults to Enforce.',
    }),
  }),
  {
    cel: "!has(self.per) || (duration(self.per) >= duration('1ms') && duration(self.per) <= duration('24h'))",
    message: 'must be between 1ms and 24h',
    field: '.per',
    holds: ({ per }) => {
      const ms = per === undefined ? undefined : durationMs(per);
      return ms === undefined || (ms >= 1 && ms <= 24 * 3_600_000);
    },
  },
  {
    cel: "(has(self.requests) && has(self.per)) || (!has(self.requests) && !has(self.per) && has(self.scope) && self.scope == 'Shared')",
    message: 'give requests and per; only with scope Shared may both be left out',
    holds: ({ requests, per, scope }) =>
      (requests !== undefined && per !== undefined) ||
      (requests === undefined && per === undefined && scope === 'Shared'),
  },
  {
    cel: '!has(self.cost) || !has(self.cost.amount) || !has(self.requests) || self.cost.amount <= (has(self.burst) ? self.burst : self.requests)',
    message: 'is more than burst (requests when absent), so that no request would be let in',
    field: '.cost.amount',
    holds: ({ cost: taken, burst, requests }) =>
      taken?.amount === undefined || requests === undefined || taken.amount <= (burst ?? requests),
  },
  {
    cel: "(has(self.scope) && self.scope == 'Shared') == has(self.service)",
    message: 'goes with scope Shared: give both or neither',
    field: '.service',
    holds: ({ scope, service: counts }) => (scope === 'Shared') === (counts !== undefined),
  },
  {
    cel: 'has(self.service) || (!has(self.timeout) && !has(self.onFailure) && (!has(self.key) || !self.key.exists(part, has(part.constant))))',
    message:
      'timeout, onFailure and a constant in key are about a rate limit service; give scope Shared and service, or leave them out',
    holds: ({ service: counts, timeout, onFailure, key = [] }) =>
      counts !== undefined ||
      (timeout === undefined &&
        onFailure === undefined &&
        key.every(({ constant }) => constant === undefined)),
  },
  {
    cel: "!has(self.to) || !has(self.scope) || self.scope != 'Shared'",
    message: 'Shared is for requests that pods take; with to, use Service or Pod',
    field: '.scope',
    holds: ({ to, scope }) => to === undefined || scope !== 'Shared',
  },
  {
    cel: '!has(self.to) || !has(self.key) || self.key.all(part, has(part.header) || has(part.request))',
    message:
      'what pods send is counted by header and request only; remove caller, claim and constant, or remove to',
    field: '.key',
    holds: ({ to, key = [] }) =>
      to === undefined || key.every(({ header, request }) => header !== undefined || request !== undefined),
  },
  {
    cel: "!has(self.service) || !has(self.per) || [duration('1s'), duration('1m'), duration('1h'), duration('24h')].exists(unit, unit == duration(self.per))",
    message: 'must be 1s, 1m, 1h or 24h, which is what rate limit services count by',
    field: '.per',
    holds: ({ service: counts, per }) => {
      const ms = counts === undefined || per === undefined ? undefined : durationMs(per);
      return ms === undefined || UNITS.includes(ms);
    },
  },
  {
    cel: "!has(self.service) || has(self.requests) || (has(self.key) && !has(self.burst) && !(has(self.onFailure) && self.onFailure == 'PodShare'))",
    message:
      'without requests and per only the service knows the limit: give key, by which it finds it, and neither burst nor onFailure PodShare',
    holds: ({ service: counts, requests, key, burst, onFailure }) =>
      counts === undefined ||
      requests !== undefined ||
      (key !== undefined && burst === undefined && onFailure !== 'PodShare'),
  },
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

export const rateLimit = withRules(z.array(limit).min(1).max(16), {
  cel: 'self.all(a, !has(a.name) || self.exists_one(b, has(b.name) && b.name == a.name))',
  message: 'two limits have the same name; rename one',
  holds: (limits) => {
    const names = limits.flatMap(({ name }) => (name === undefined ? [] : [name]));
    return new Set(names).size === names.length;
  },
});
