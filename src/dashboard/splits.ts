import { byShare, type SeenEdge, type ShareRow } from '../telemetry/index.js';

/** One backend of a route: its share of what the route led on, and how it did. */
export interface Split {
  /** `<namespace>/<name>:<port>` as dialled. */
  readonly destination: string;
  readonly route: string;
  /** The backend as the proxies name it. */
  readonly backend: string;
  /** Share of the route's requests, 0 to 1; undefined while there are none. */
  readonly share?: number | undefined;
  /** The share that a policy asks for, 0 to 1. */
  readonly wanted?: number | undefined;
  readonly perSecond: number;
  readonly successRate?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
}

/** How callers' proxies divided requests. A destination whose requests all go to itself has nothing to tell. */
export function splitsOf(seen: readonly SeenEdge[]): Split[] {
  const routes = Map.groupBy(byShare(seen), routeKey);
  return [...routes.values()]
    .filter((shares) => shares.some(({ destination, backend }) => backend !== destination))
    .flatMap((shares) => {
      const total = shares.reduce((sum, { signals }) => sum + signals.perSecond, 0);
      return shares.map((share) => splitOf(share, total));
    });
}

function splitOf({ destination, route, backend, signals }: ShareRow, total: number): Split {
  const { perSecond, successRate, p50Ms, p99Ms } = signals;
  const share = total > 0 ? perSecond / total : undefined;
  return { destination, route, backend, share, perSecond, successRate, p50Ms, p99Ms };
}

function routeKey({ destination, route }: ShareRow): string {
  return `${destination} ${route}`;
}
