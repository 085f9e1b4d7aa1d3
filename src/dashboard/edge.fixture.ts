import { quietEdge, type Edge } from './edge.js';

/** A call from the shop's web to its reviews over mutual TLS, one a second, that says nothing else but `more`. */
export function anEdge(more: Partial<Edge> = {}): Edge {
  const quiet = quietEdge('spiffe://cluster.local/ns/shop/sa/web shop/reviews');
  if (quiet === undefined) throw new Error('that is the key of a call');
  return { ...quiet, ports: ['8080'], tls: 'mutual', perSecond: 1, ...more };
}
