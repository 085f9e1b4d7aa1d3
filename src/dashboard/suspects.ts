import type { ChangeView } from './changes-view.js';
import type { Edge } from './edge.js';
import type { HistoryView, Trace } from './history-view.js';
import { parseIdentity } from './identity-name.js';
import type { PolicyView } from './mesh-view.js';

const MINUTE_MS = 60_000;
/** Failing less than this is no trouble that began. */
const TROUBLED_SHARE = 0.01;
/** A change is suspected for so long before what it may have caused. */
const BEFORE_MS = 5 * MINUTE_MS;

/** When the trouble that there is now began: start of its first minute, in milliseconds since 1970; undefined where there is none. */
export function troubleSince(trace: Trace | undefined, endedAt: string): number | undefined {
  if (trace === undefined) return undefined;
  const minutes = trace.failing.length;
  const troubled = trace.failing.map((failing, minute) => {
    const all = Math.max(trace.rates[minute] ?? 0, failing);
    return all > 0 && failing / all >= TROUBLED_SHARE;
  });
  let first = minutes;
  // A quiet minute among bad ones is not the end of it.
  while (troubled[first - 1] === true || troubled[first - 2] === true) first -= 1;
  if (first === minutes) return undefined;
  return Date.parse(endedAt) - (minutes - first) * MINUTE_MS;
}

/** A change, and how near it is to a call. */
export interface Suspect extends ChangeView {
  /** It acts on the call by name, and not only from the same namespace. */
  readonly near: boolean;
  /** It is the one before the trouble that is likeliest to have caused it. */
  readonly suspected: boolean;
}

export interface Surroundings {
  readonly edge: Edge;
  readonly policies: readonly PolicyView[];
  /** `<namespace>/<name>` of Deployments behind the Service. */
  readonly deployments: readonly string[];
}

/** Changes that can have to do with a call, newest first; of those shortly before its trouble the nearest is suspected. */
export function suspectsOf(
  changes: readonly ChangeView[],
  around: Surroundings,
  since: number | undefined,
): readonly Suspect[] {
  const namespaces = namespacesOf(around.edge);
  const concerned = changes
    .filter(({ namespace }) => namespace === '' || namespaces.includes(namespace))
    .map((change) => ({ ...change, near: isNear(change, around) }));
  const likeliest = since === undefined ? undefined : likeliestOf(concerned, since);
  return concerned.map((change) => ({ ...change, suspected: change === likeliest }));
}

type Concerned = ChangeView & { readonly near: boolean };

/** What is near comes first, then what was last; the minute in which the trouble began counts, too. */
function likeliestOf(changes: readonly Concerned[], since: number): Concerned | undefined {
  const before = changes.filter(({ at }) => {
    const time = Date.parse(at);
    return time >= since - BEFORE_MS && time < since + MINUTE_MS;
  });
  return before.find(({ near }) => near) ?? before[0];
}

function namespacesOf({ caller, service, servers }: Edge): readonly string[] {
  const [own = ''] = service.split('/');
  return [own, ...[caller, ...servers].map((identity) => parseIdentity(identity)?.namespace ?? '')].filter(
    (namespace) => namespace !== '',
  );
}

function isNear(
  { kind, namespace, name }: ChangeView,
  { edge, policies, deployments }: Surroundings,
): boolean {
  const place = `${namespace}/${name}`;
  switch (kind) {
    case 'TrafficPolicy':
      return policies.some(
        (policy) => place === `${policy.namespace}/${policy.name}` && actsOn(policy, edge),
      );
    case 'Service':
      return place === edge.service;
    case 'Deployment':
      return deployments.includes(place);
    case 'MeshRole':
    case 'MeshRoleBinding':
    case 'MeshTLSPolicy':
      return edge.rules.includes(place) || (edge.denied > 0 && edge.service.startsWith(`${namespace}/`));
    default:
      return false;
  }
}

/** Whether a policy names the Service of a call, or its namespace. */
export function actsOn({ namespace, targets }: PolicyView, { service }: Pick<Edge, 'service'>): boolean {
  const [own = '', name = ''] = service.split('/');
  return targets.some((target) => {
    const [, kind, given = ''] = /^(\S+) ([^:]+)/.exec(target) ?? [];
    if (kind === 'Namespace') return given === own || given === `${namespace}/${own}`;
    return given === service || (given === name && namespace === own);
  });
}

/** The trace of an edge. */
export function traceOf(history: HistoryView | undefined, { key }: Edge): Trace | undefined {
  return history?.calls[key];
}
