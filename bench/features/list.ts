import { join } from 'node:path';
import { rbac, roles } from './access.js';
import { checked, counted, extAuthz, rateLimitFilter } from './asking.js';
import { envoyLog, envoyTaps, type Evidence } from './cell.js';
import type { Feature } from './feature.js';
import {
  adds,
  addsPercent,
  busyBelow,
  keysWithin,
  memoryAdded,
  shareOfEnvoys,
  withinNoise,
} from './goals.js';
import { KEYS_MEGABYTES, limited, limitedByKey, localLimit, localLimitByKey } from './limits.js';
import {
  ACCESS_LOG,
  UNASKED,
  fileAccessLog,
  openTelemetry,
  tapFilter,
  together,
  traced,
} from './telemetry.js';
import { jwtAuthn, tokens, users } from './tokens.js';

/** Either proxy writes its log later, and Weft drops lines for which its queue has no room: the table says how many there were. */
const MOST_LINES = 0.5;

/** Nobody is allowed what no rule is about. */
const refuses = async ({ ask }: Evidence): Promise<boolean> => (await ask(UNASKED)).status === 403;
const limits = async ({ ask }: Evidence): Promise<boolean> => {
  const { headers } = await ask('/');
  return 'ratelimit' in headers || 'x-ratelimit-limit' in headers;
};
const logs = ({ logged }: Evidence): boolean => logged > MOST_LINES;
const traces = ({ asked }: Evidence): boolean => asked.exports > 0;

function rules(count: number, name: string, rest: Pick<Feature, 'goals' | 'memory'>): Feature {
  return {
    name: `access rules, ${name}`,
    weft: { objects: roles(count) },
    envoy: { inbound: rbac(count) },
    shows: refuses,
    ...rest,
  };
}

/** Every row, in the order of the table; Envoy's files and the script of keys are in `directory`. */
export function features(directory: string): readonly Feature[] {
  const user = tokens();
  const tracer = { inbound: openTelemetry('server'), outbound: openTelemetry('client') };
  const log = fileAccessLog(envoyLog(directory));
  return [
    rules(100, '100', { goals: [withinNoise(), shareOfEnvoys(0.25)] }),
    rules(1000, '1,000', { goals: [busyBelow(10), shareOfEnvoys(0.25)], memory: 'busy' }),
    rules(10_000, '10,000', { goals: [addsPercent(10), shareOfEnvoys(0.25)] }),
    {
      name: 'token, verified before',
      weft: { objects: users(user) },
      envoy: { inbound: jwtAuthn(user) },
      wrk: ['-H', `authorization: Bearer ${user.token}`],
      shows: ({ anonymous }) => anonymous('/').then(({ status }) => status === 401 || status === 403),
      goals: [adds(3)],
    },
    {
      name: 'external check',
      weft: { objects: [checked()] },
      envoy: { inbound: extAuthz() },
      shows: ({ asked, requests }) => asked.checks >= requests,
      goals: [shareOfEnvoys(0.5)],
    },
    {
      name: 'local limit',
      weft: { objects: [limited()] },
      envoy: { inbound: localLimit() },
      shows: limits,
      goals: [adds(0.5), shareOfEnvoys(0.5)],
    },
    {
      name: 'shared limit',
      weft: { objects: [counted()] },
      envoy: { inbound: rateLimitFilter() },
      shows: ({ asked, requests }) => asked.limits >= requests,
      goals: [shareOfEnvoys(0.5)],
    },
    {
      name: 'limit by key',
      weft: { objects: [limitedByKey()] },
      envoy: { inbound: localLimitByKey() },
      wrk: ['-s', keysFile(directory)],
      shows: limits,
      memory: 'keys',
      goals: [keysWithin(KEYS_MEGABYTES), shareOfEnvoys(0.5)],
    },
    {
      name: 'access log',
      weft: { receiver: ACCESS_LOG },
      envoy: { inbound: log },
      shows: logs,
      goals: [addsPercent(20), shareOfEnvoys(0.25)],
    },
    {
      name: 'tracing, 1 %',
      weft: { objects: [traced()] },
      envoy: tracer,
      shows: traces,
      goals: [addsPercent(2), shareOfEnvoys(0.25)],
    },
    {
      name: 'access log and tracing',
      weft: { objects: [traced()], receiver: ACCESS_LOG },
      envoy: { inbound: together(log, tracer.inbound), outbound: tracer.outbound },
      shows: (evidence) => logs(evidence) && traces(evidence),
      goals: [addsPercent(5), memoryAdded(1), shareOfEnvoys(0.25)],
    },
    {
      name: 'tap that shows nothing',
      weft: { watched: true },
      envoy: { inbound: tapFilter(envoyTaps(directory)) },
      shows: async ({ ask, shown }) => {
        await ask(UNASKED);
        return shown();
      },
      goals: [],
    },
  ];
}

/** Where wrk's script of keys is. */
export const keysFile = (directory: string): string => join(directory, 'keys.lua');
