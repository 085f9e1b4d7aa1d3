import { type BackendTrafficPolicy, backendTrafficPolicy, durationMs } from '../../../api/index.js';
import { DEFAULT_BUDGET } from '../../words/policy.js';
import type { Problem } from '../../words/problem.js';
import type { Budget } from '../../words/resilience.js';
import type { BackendPolicy, BackendTarget } from '../../words/backend-policy.js';
import { readSession } from './session.js';

type Constraint = NonNullable<BackendTrafficPolicy['spec']['retryConstraint']>;

/**
 * An XBackendTrafficPolicy as the API server stores it, in terms of the mesh. Undefined when it has not the shape that
 * Gateway API v1.6 gives it; keep the last good one then.
 */
export function toBackendPolicy(object: unknown): BackendPolicy | undefined {
  const { success, data } = backendTrafficPolicy.safeParse(object);
  if (!success) return undefined;
  const { metadata, spec } = data;
  const problems: Problem[] = [];
  const budget = readConstraint(spec.retryConstraint, problems);
  const session =
    spec.sessionPersistence === undefined
      ? undefined
      : readSession(spec.sessionPersistence, {
          field: 'spec.sessionPersistence',
          owner: `XBackendTrafficPolicy/${metadata.namespace}/${metadata.name}`,
          refuse: (field, message) => problems.push(invalid(field, message)),
        });
  return {
    ref: { kind: 'XBackendTrafficPolicy', ...metadata },
    targets: spec.targetRefs.flatMap((ref, index) => readTarget(ref, metadata.namespace, index)),
    // Half of a policy would be another policy.
    ...(budget === undefined || problems.length > 0 ? {} : { budget }),
    ...(session === undefined || problems.length > 0 ? {} : { session }),
    problems,
  };
}

/** What is not a Service has other controllers. */
function readTarget(
  { group, kind, name }: BackendTrafficPolicy['spec']['targetRefs'][number],
  namespace: string,
  index: number,
): readonly BackendTarget[] {
  return group === '' && kind === 'Service' ? [{ namespace, name, field: `spec.targetRefs[${index}]` }] : [];
}

/** As many as a TrafficPolicy may ask for. */
const MAX_PER_SECOND = 1_000_000;

/** The defaults are those of the API. Proxies count whole retries a second, and a floor rounded down to none would be none. */
function readConstraint(given: Constraint | undefined, problems: Problem[]): Budget | undefined {
  if (given === undefined) return undefined;
  const { percent = DEFAULT_BUDGET.percent, interval = '10s' } = given.budget ?? {};
  const { count = 10, interval: per = '1s' } = given.minRetryRate ?? {};
  const intervalMs = readMs(interval, 'spec.retryConstraint.budget.interval', problems);
  const perMs = readMs(per, 'spec.retryConstraint.minRetryRate.interval', problems);
  if (intervalMs === undefined || perMs === undefined) return undefined;
  const minPerSecond = Math.min(Math.ceil((count * 1000) / perMs), MAX_PER_SECOND);
  return { percent, intervalMs, minPerSecond, refuses: true };
}

/** Above zero. */
function readMs(text: string, field: string, problems: Problem[]): number | undefined {
  const ms = durationMs(text) ?? 0;
  if (ms > 0) return ms;
  problems.push(
    invalid(field, `${text} is not a valid duration above zero; write it as 500ms, 10s or 1m30s`),
  );
  return undefined;
}

function invalid(field: string, message: string): Problem {
  return { condition: 'Accepted', reason: 'Invalid', field, message };
}
