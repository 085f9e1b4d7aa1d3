import * as z from 'zod';
import { durationMs } from '../schema/duration.js';
import { duration, headerName } from '../schema/fields.js';
import { withRules } from '../schema/rule.js';
import { collector } from './collector.js';
import { onePortion, portion } from './portion.js';

/** The fields of a line that can be left out, as `docs/access-log.md` explains them. */
const FIELDS = [
  'method',
  'authority',
  'path',
  'grpc_status',
  'reason',
  'refused_by',
  'would_refuse',
  'rule',
  'bytes',
  'destination',
  'route',
  'backend',
  'upstream',
  'peer',
  'tls',
  'attempts',
  'retried',
  'withheld',
  'ejected',
  'budget_left',
  'under_way',
  'deadline_left_ms',
  'trace_id',
] as const;

/** Words in the name of a header whose value is a secret: `SECRET` in `proxy/src/explain.rs`. */
const SECRET =
  /token|secret|api[-_]?key|auth|session|password|passwd|credential|jwt|assertion|cookie|signature/;

const select = withRules(
  z.strictObject({
    outcomes: z
      .array(z.enum(['Error', 'Denied']))
      .min(1)
      .max(2)
      .optional()
      .meta({
        description:
          'Error: HTTP status 5xx, or a gRPC status that is an error of the server. Denied: a stage of the proxy refused the request, or would have in a dry run.',
      }),
    slowerThan: duration.optional().meta({
      description:
        'Requests that took longer, from their head to the end of the response. At least 1ms and at most 1h.',
    }),
    sampling: withRules(z.strictObject(portion), onePortion).optional().meta({
      description: 'A share of all requests. Those of one trace are chosen together, by the id of the trace.',
    }),
  }),
  {
    cel: 'has(self.outcomes) || has(self.slowerThan) || has(self.sampling)',
    message: 'give at least one of outcomes, slowerThan and sampling',
    holds: ({ outcomes, slowerThan, sampling }) =>
      outcomes !== undefined || slowerThan !== undefined || sampling !== undefined,
  },
  {
    cel: "!has(self.slowerThan) || (duration(self.slowerThan) >= duration('1ms') && duration(self.slowerThan) <= duration('1h'))",
    message: 'must be between 1ms and 1h',
    field: '.slowerThan',
    holds: ({ slowerThan }) => {
      const ms = slowerThan === undefined ? undefined : durationMs(slowerThan);
      return ms === undefined || (ms >= 1 && ms <= 3_600_000);
    },
  },
).meta({ description: 'Which requests are logged in mode Selected: those that match any of these.' });

const which = {
  mode: z.enum(['None', 'All', 'Selected']).meta({
    description:
      'None: nothing is logged. All: every HTTP and gRPC request. Selected: those that select describes.',
  }),
  select: select.optional(),
  query: z.enum(['Keep', 'Remove']).optional().meta({
    description: 'Whether the path is logged with its query. Defaults to Keep.',
  }),
};

const selectGoesWithSelected = {
  cel: "has(self.select) == (self.mode == 'Selected')",
  message: 'select goes with the mode Selected',
  field: '.select',
  holds: ({ mode, select }: { readonly mode: string; readonly select?: unknown }): boolean =>
    (select !== undefined) === (mode === 'Selected'),
};

/** What proxies log of requests. */
export const accessLog = withRules(
  z.strictObject({
    ...which,
    format: z.enum(['JSON', 'Text']).optional().meta({
      description: 'One line per request: a JSON object, or key=value pairs (logfmt). Defaults to JSON.',
    }),
    omitFields: z
      .array(z.enum(FIELDS))
      .min(1)
      .max(FIELDS.length)
      .optional()
      .meta({ description: 'Fields that are left out.' }),
    requestHeaders: z.array(headerName).min(1).max(8).optional().meta({
      description: 'Headers of the request that are logged in the field headers, each cut at 256 bytes.',
    }),
    collector: collector('log records', '/v1/logs').optional().meta({
      description:
        'OpenTelemetry Collector to which each request that is logged is sent as a log record. By default nothing is sent.',
    }),
    stdout: z.enum(['Enabled', 'Disabled']).optional().meta({
      description:
        'Whether lines are written to the standard output of the proxies. Disabled goes with a collector. Defaults to Enabled.',
    }),
  }),
  selectGoesWithSelected,
  {
    cel: "!has(self.stdout) || self.stdout == 'Enabled' || has(self.collector)",
    message: 'Disabled goes with a collector; to log nothing set mode to None',
    field: '.stdout',
    holds: ({ stdout, collector: told }) => stdout !== 'Disabled' || told !== undefined,
  },
  {
    cel: "!has(self.requestHeaders) || !self.requestHeaders.exists(h, h.matches('(?i)token|secret|api[-_]?key|auth|session|password|passwd|credential|jwt|assertion|cookie|signature'))",
    message: 'names a header whose value is a secret, and those are never logged',
    field: '.requestHeaders',
    holds: ({ requestHeaders = [] }) => !requestHeaders.some((name) => SECRET.test(name.toLowerCase())),
  },
);

/** What a policy says of the log of requests to its Service. */
export const policyAccessLog = withRules(z.strictObject(which), selectGoesWithSelected);
