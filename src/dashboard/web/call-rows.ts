import type { Edge } from '../edge.js';
import { shortIdentity } from '../identity-name.js';
import type { PolicyView } from '../mesh-view.js';
import type { Split } from '../splits.js';
import { successTone, tlsText } from './chip.js';
import type { PageState } from './page-state.js';
import { inOrder, matches, type Column } from './table-order.js';

export const CALL_COLUMNS: readonly Column<Edge>[] = [
  { key: 'caller', title: 'Caller’s identity', value: ({ caller }) => shortIdentity(caller) || undefined },
  { key: 'service', title: 'Service', value: ({ service }) => service || undefined },
  { key: 'transport', title: 'Transport', value: ({ tls }) => tlsText(tls) },
  { key: 'rate', title: 'Per second', value: ({ perSecond }) => perSecond, number: true, largestFirst: true },
  { key: 'success', title: 'Success', value: goodShare, number: true },
  { key: 'p50', title: 'p50', value: ({ p50Ms }) => p50Ms, number: true, largestFirst: true },
  { key: 'p99', title: 'p99', value: ({ p99Ms }) => p99Ms, number: true, largestFirst: true },
];

/** A caller that is only refused has no success rate, and is worse than one of whom something fails. */
function goodShare({ successRate, denied }: Edge): number | undefined {
  return denied > 0 ? Math.min(successRate ?? 0, 0.5) : successRate;
}

/** The calls that are to be shown, in their order. */
export function callRows(edges: readonly Edge[], state: PageState): readonly Edge[] {
  const wanted = edges.filter((edge) => {
    if (state.onlyProblems && !isTroubledCall(edge)) return false;
    const { caller, service, servers, ports, tls, rules } = edge;
    return matches(state.search, [caller, service, ...servers, ...ports, tlsText(tls), ...rules]);
  });
  return inOrder(wanted, CALL_COLUMNS, state.calls);
}

/** Requests fail or are refused, or travel so that others can read them. */
export function isTroubledCall({ successRate, tls, denied, limited }: Edge): boolean {
  const tone = successTone(successRate);
  return tone === 'warn' || tone === 'bad' || denied > 0 || limited > 0 || tls === 'none' || tls === 'mixed';
}

/** The parts of routes that are to be shown. */
export function splitRows(splits: readonly Split[], { search, onlyProblems }: PageState): readonly Split[] {
  return splits.filter(
    ({ destination, route, backend, successRate }) =>
      (!onlyProblems || ['warn', 'bad'].includes(successTone(successRate))) &&
      matches(search, [destination, route, backend]),
  );
}

/** The policies that are to be shown, those that are not in force as written first. */
export function policyRows(
  policies: readonly PolicyView[],
  { search, onlyProblems }: PageState,
): readonly PolicyView[] {
  return policies
    .filter(
      (policy) =>
        (!onlyProblems || isTroubledPolicy(policy)) &&
        matches(search, [`${policy.namespace}/${policy.name}`, ...policy.targets, ...policy.routes]),
    )
    .sort((a, b) => Number(isTroubledPolicy(b)) - Number(isTroubledPolicy(a)));
}

function isTroubledPolicy({ conditions }: PolicyView): boolean {
  return conditions.length === 0 || conditions.some(({ status }) => status !== 'True');
}
