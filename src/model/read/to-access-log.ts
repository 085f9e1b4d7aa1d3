import { durationMs, type MeshConfig, type TrafficPolicy } from '../../api/index.js';
import type { AccessLog, LogChoice, LogSelection } from '../words/access-log.js';
import { translateCollector } from './to-collector.js';
import { translatePortion } from './to-portion.js';

type OfMesh = NonNullable<MeshConfig['spec']['accessLog']>;
type OfPolicy = NonNullable<TrafficPolicy['spec']['accessLog']>;

/** What a MeshConfig says of the log, in the words of the model. */
export function translateAccessLog(said: OfMesh): AccessLog {
  return {
    ...translateLogChoice(said),
    format: said.format === 'Text' ? 'text' : 'json',
    omit: said.omitFields ?? [],
    requestHeaders: (said.requestHeaders ?? []).map((name) => name.toLowerCase()),
    ...(said.collector === undefined ? {} : { collector: translateCollector(said.collector) }),
    silent: said.stdout === 'Disabled',
  };
}

const MODES = { None: 'off', All: 'all', Selected: 'selected' } as const;

/** What is logged, of the mesh or of one Service. */
export function translateLogChoice({ mode, select, query }: OfPolicy): LogChoice {
  return {
    mode: MODES[mode],
    ...(select === undefined ? {} : { select: translateSelection(select) }),
    removeQuery: query === 'Remove',
  };
}

function translateSelection({
  outcomes = [],
  slowerThan,
  sampling,
}: NonNullable<OfPolicy['select']>): LogSelection {
  const slowerThanMs = slowerThan === undefined ? undefined : durationMs(slowerThan);
  return {
    errors: outcomes.includes('Error'),
    denied: outcomes.includes('Denied'),
    ...(slowerThanMs === undefined ? {} : { slowerThanMs }),
    ...(sampling === undefined ? {} : { sampling: translatePortion(sampling) }),
  };
}
