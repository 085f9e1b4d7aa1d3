import { type XBackendObject, xBackend } from '../../../api/index.js';
import type { Problem } from '../../words/problem.js';
import type { Session } from '../../words/session.js';
import type { XBackend } from '../../words/x-backend.js';
import { type Refuse, readSession } from './session.js';

/**
 * An XBackend as the API server stores it, in terms of the mesh. Undefined when it has not the shape that Gateway API gives
 * it; keep the last good one then. What the mesh does not act on is a problem: half of a backend would be another one.
 */
export function toXBackend(object: unknown): XBackend | undefined {
  const { success, data } = xBackend.safeParse(object);
  if (!success) return undefined;
  const { metadata, spec } = data;
  const problems: Problem[] = [];
  const refuse: Refuse = (field, message) =>
    void problems.push({ condition: 'Accepted', reason: 'UnsupportedValue', field, message });
  for (const [field, message] of problemsOf(spec)) refuse(`spec.${field}`, message);
  const session = readBackendSession(data, refuse);
  return {
    ref: { kind: 'XBackend', ...metadata },
    labels: spec.endpointSelector?.matchLabels ?? {},
    port: spec.port.number ?? 0,
    ...(session === undefined ? {} : { session }),
    problems,
  };
}

function readBackendSession(
  { metadata: { namespace, name }, spec: { sessionPersistence } }: XBackendObject,
  refuse: Refuse,
): Session | undefined {
  const owner = `XBackend/${namespace}/${name}`;
  const field = 'spec.sessionPersistence';
  return sessionPersistence === undefined
    ? undefined
    : readSession(sessionPersistence, { field, owner, refuse });
}

function* problemsOf({
  type,
  port,
  endpointSelector,
  protocol = 'HTTP',
  tls,
}: XBackendObject['spec']): Generator<readonly [field: string, message: string]> {
  const labels = Object.keys(endpointSelector?.matchLabels ?? {});
  if (type !== 'EndpointSelector') {
    yield ['type', `${type} is not supported; use EndpointSelector, which Gateway API has since v1.7`];
  } else if (labels.length === 0) {
    yield ['endpointSelector.matchLabels', 'selects every pod of the namespace; give at least one label'];
  }
  if (port.number === undefined) yield ['port.number', 'is missing; give the port of the pods'];
  if (protocol !== 'HTTP') {
    yield [
      'protocol',
      `${protocol} is not supported; pods get the version that callers use, so leave it out`,
    ];
  }
  if (tls !== undefined && tls.mode !== 'None') {
    yield [
      'tls.mode',
      `${tls.mode} is not supported; use None, or a Service with a BackendTLSPolicy in place of the XBackend`,
    ];
  }
}
