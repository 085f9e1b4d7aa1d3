import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { limitMatch } from './match.js';

/** How many requests the pods of a Service take. */

const amount = (what: string) => z.int().min(1).max(1_000_000).meta({ description: what });

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
  }),
  {
    cel: '[has(self.caller), has(self.request), has(self.header), has(self.claim)].exists_one(given, given)',
    message: 'give exactly one of caller, request, header and claim',
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
    requests: amount('Number of requests, or with cost the amount, that is let in...'),
    per: duration.meta({ description: '...during this time. At least 1ms and at most 24h.' }),
    burst: amount('Number, or amount, that may come at once. Defaults to requests.').optional(),
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
    scope: z.enum(['Service', 'Pod']).optional().meta({
      description:
        'Service: the ready pods of the Service share the limit evenly. Pod: each pod has the whole limit. Defaults to Service.',
    }),
    mode: z.enum(['Enforce', 'DryRun']).optional().meta({
      description:
        'DryRun lets every request in and counts those that would be refused. Defaults to Enforce.',
    }),
  }),
  {
    cel: "duration(self.per) >= duration('1ms') && duration(self.per) <= duration('24h')",
    message: 'must be between 1ms and 24h',
    field: '.per',
    holds: ({ per }) => {
      const ms = durationMs(per);
      return ms === undefined || (ms >= 1 && ms <= 24 * 3_600_000);
    },
  },
  {
    cel: '!has(self.cost) || !has(self.cost.amount) || self.cost.amount <= (has(self.burst) ? self.burst : self.requests)',
    message: 'is more than burst (requests when absent), so that no request would be let in',
    field: '.cost.amount',
    holds: ({ cost: taken, burst, requests }) =>
      taken?.amount === undefined || taken.amount <= (burst ?? requests),
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
