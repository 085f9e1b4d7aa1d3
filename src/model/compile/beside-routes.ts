import type { Protocol, Route } from '../words/destination.js';
import { type RouteKind, isForConnections } from '../words/mesh-route.js';
import type { SplitEntry } from '../words/policy.js';
import type { BackendTable } from './backend-table.js';

interface Port {
  /** What the routes are, where they are of Gateway API. */
  readonly kind: RouteKind | undefined;
  readonly protocol: Protocol;
  readonly table: BackendTable;
}

/** Matches that `besideRoutes` adds at most to those that people wrote. */
export const MATCHES_BESIDE = 2;

/**
 * The routes of a port, with those for what they are not about: that goes where it went before there were any. Routes for
 * requests leave what turns out not to be HTTP alone, and TLSRoutes what is not TLS, on a port that does not declare what it
 * carries. TLS with a server name that no TLSRoute has is refused, as a request that no HTTPRoute matches is.
 */
export function besideRoutes(routes: readonly Route[], { kind, protocol, table }: Port): readonly Route[] {
  if (kind === undefined || kind === 'TCPRoute') return routes;
  const to = (entry: SplitEntry): Route['split'] => [{ backend: table.place(entry), weight: 1 }];
  if (!isForConnections(kind)) {
    if (protocol === 'http1' || protocol === 'http2') return routes;
    return [{ name: 'bytes', matches: [], split: to(WHOLE_SERVICE), bytesOnly: true }, ...routes];
  }
  if (protocol !== 'unknown') return routes;
  const anyName = [{ headers: [], serverNames: ['*'] }];
  return [
    ...routes,
    { name: 'no-server-name', matches: anyName, split: to(NOWHERE) },
    { name: 'default', matches: [], split: to(WHOLE_SERVICE) },
  ];
}

const WHOLE_SERVICE: SplitEntry = { weight: 1, fallback: false, field: '' };

const NOWHERE: SplitEntry = {
  ...WHOLE_SERVICE,
  invalid: 'no TLSRoute of the Service has the server name',
};
