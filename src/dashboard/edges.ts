import { byCall, type Call, type SeenEdge } from '../telemetry/index.js';
import type { Edge, EdgeTls } from './edge.js';

/** Who calls what, sorted by Service, then caller. */
export function edgesOf(seen: readonly SeenEdge[]): Edge[] {
  return byCall(seen).map(edgeOf);
}

/** What tells a call from others, now and in the history. */
export function callKey({ caller, callee }: Pick<Call, 'caller' | 'callee'>): string {
  return `${caller} ${callee}`;
}

function edgeOf(call: Call): Edge {
  const { caller, callee, toService, servers, ports, seenBy, tls, rules, signals } = call;
  const { perSecond, connectionsPerSecond, openConnections } = signals;
  const bytes = perSecond === 0 && (openConnections > 0 || connectionsPerSecond > 0);
  return {
    key: callKey(call),
    caller,
    service: toService ? callee : '',
    servers,
    ports,
    protocol: bytes ? 'tcp' : 'http',
    tls: tlsOf(tls),
    seenBy,
    perSecond: bytes ? connectionsPerSecond : perSecond,
    successRate: signals.successRate,
    // A receiver's latencies are of all its callers: who was only refused has none.
    p50Ms: perSecond > 0 ? signals.p50Ms : undefined,
    p99Ms: perSecond > 0 ? signals.p99Ms : undefined,
    openConnections,
    denied: signals.denied,
    wouldBeDenied: signals.wouldBeDenied,
    limited: signals.limited,
    retries: signals.retries,
    rules,
  };
}

function tlsOf(tls: readonly string[]): EdgeTls {
  const [only, ...others] = tls;
  if (only === undefined) return 'unknown';
  if (others.length > 0) return 'mixed';
  return only === 'mutual' || only === 'backend' ? only : 'none';
}
