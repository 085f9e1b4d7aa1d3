import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, percent } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { onePortion, portion } from './portion.js';

/** What a route may do beside choosing an endpoint. */

export const timeouts = withRules(
  z.strictObject({
    request: duration.optional().meta({
      description:
        'From the first byte of the request to the last of its response, with all retries. A caller that says it waits less is believed. None by default; 0s is none.',
    }),
    perTry: duration.optional().meta({
      description: 'For each try, until the head of its response. None by default; 0s is none.',
    }),
    connect: duration.optional().meta({
      description:
        'Until a connection to an endpoint is open, with its TLS handshake; then another is tried. By default, and with 0s, 1s for each of both.',
    }),
    idle: duration.optional().meta({
      description:
        'Silence: no byte of a request or its response passes, none on an upgraded connection (WebSocket), none on one that carries bytes. None by default; 0s is none.',
    }),
    stream: duration.optional().meta({
      description:
        'How long an upgraded connection, or one that carries bytes, may last; `request` does not bound these. None by default; 0s is none.',
    }),
  }),
  {
    cel: "!has(self.request) || !has(self.perTry) || duration(self.request) == duration('0s') || duration(self.perTry) <= duration(self.request)",
    message: 'a try cannot take longer than the request; lower perTry',
    field: '.perTry',
    holds: ({ request, perTry }) => {
      const [whole, one] = [durationMs(request ?? ''), durationMs(perTry ?? '')];
      return whole === undefined || one === undefined || whole === 0 || one <= whole;
    },
  },
  {
    cel: "!has(self.connect) || duration(self.connect) <= duration('1m')",
    message: 'is longer than a minute; lower it',
    field: '.connect',
    holds: ({ connect }) => (durationMs(connect ?? '') ?? 0) <= 60_000,
  },
);

const RETRY_ON = [
  'connect-failure',
  'reset',
  'refused-stream',
  '5xx',
  'gateway-error',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH'] as const;

export const retries = z.strictObject({
  attempts: z
    .int()
    .min(1)
    .max(10)
    .optional()
    .meta({ description: 'Retries after the first try. 2 by default.' }),
  on: z.array(z.enum(RETRY_ON)).min(1).max(16).optional().meta({
    description:
      'What is tried again. connect-failure, reset, refused-stream, gateway-error and unavailable by default.',
  }),
  statuses: z
    .array(z.int().min(400).max(599))
    .min(1)
    .max(16)
    .optional()
    .meta({ description: 'HTTP statuses that are tried again, beside what `on` says.' }),
  methods: z.array(z.enum(METHODS)).min(1).max(8).optional().meta({
    description:
      'Methods that are tried again after they may have been acted on. The idempotent ones by default: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. A gRPC code in `on` holds for gRPC whatever its method.',
  }),
  backoff: duration.optional().meta({
    description:
      'Least pause before the first retry; twice as much before the next, up to ten times, and up to a quarter more so that callers spread. By default up to 25ms at random, growing to 250ms.',
  }),
  budget: z
    .strictObject({
      percent: percent
        .optional()
        .meta({ description: 'Retries as percent of the requests in the interval. 20 by default.' }),
      interval: duration.optional().meta({ description: 'Interval that is looked at. 10s by default.' }),
      minPerSecond: z
        .int()
        .min(0)
        .max(1_000_000)
        .optional()
        .meta({ description: 'Retries that each proxy may always send. 10 by default.' }),
    })
    .optional()
    .meta({ description: 'Bound of all retries together, so that they cannot add to an overload.' }),
});

export const hedging = withRules(
  z.strictObject({
    delay: duration.optional().meta({ description: 'Time without an answer after which a copy is sent.' }),
    percentile: z.int().min(50).max(99).optional().meta({
      description:
        'Sends a copy of what takes longer than this percent of the recent requests of the route; none before 50 of them are known.',
    }),
    attempts: z
      .int()
      .min(1)
      .max(5)
      .optional()
      .meta({ description: 'Copies beside the first. 1 by default.' }),
    methods: z.array(z.enum(METHODS)).min(1).max(8).optional().meta({
      description:
        'Methods of which copies are sent. The idempotent ones by default: GET, HEAD, OPTIONS, TRACE, PUT, DELETE. gRPC needs POST.',
    }),
  }),
  {
    cel: 'has(self.delay) != has(self.percentile)',
    message: 'give exactly one of delay and percentile',
    holds: ({ delay, percentile }) => (delay === undefined) !== (percentile === undefined),
  },
  {
    cel: "!has(self.delay) || duration(self.delay) > duration('0s')",
    message: 'would send every request twice; give a time above 0s',
    field: '.delay',
    holds: ({ delay }) => delay === undefined || durationMs(delay) !== 0,
  },
);

export const fault = withRules(
  z.strictObject({
    abort: withRules(
      z.strictObject({
        ...portion,
        status: z.int().min(200).max(599).meta({ description: 'Status of the answer.' }),
        grpcStatus: z.int().min(1).max(16).optional().meta({
          description:
            'gRPC status of the answer to gRPC callers. By default what their libraries make of the HTTP status: 14 (UNAVAILABLE) of 429 and 502 to 504.',
        }),
      }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Answer instead of the destination.' }),
    delay: withRules(
      z.strictObject({ ...portion, duration: duration.meta({ description: 'How long requests wait.' }) }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Hold requests back.' }),
    slowBody: withRules(
      z.strictObject({
        ...portion,
        bytesPerSecond: z.int().min(1).max(1_000_000_000).meta({ description: 'How fast they come.' }),
      }),
      onePortion,
    )
      .optional()
      .meta({ description: 'Let the bodies of answers come slowly.' }),
    maxActive: z.int().min(1).max(1_000_000).optional().meta({
      description:
        'Requests to the destination that one worker of a caller may fail, hold back or answer slowly at once; further ones are spared. 1000 by default.',
    }),
  }),
  {
    cel: 'has(self.abort) || has(self.delay) || has(self.slowBody)',
    message: 'does nothing; give abort, delay or slowBody, or remove it',
    holds: ({ abort, delay, slowBody }) => [abort, delay, slowBody].some((given) => given !== undefined),
  },
);
