/** How the bytes of an edge travel; `unknown` where no request got as far as a connection. */
export type EdgeTls = 'mutual' | 'backend' | 'none' | 'mixed' | 'unknown';

/** Who called which Service, and how that went lately. */
export interface Edge {
  /** The same for the same call, also in the history. */
  readonly key: string;
  /** SPIFFE identity of the caller; empty for one that proved none. */
  readonly caller: string;
  /** `<namespace>/<name>`; empty where no Service stands in front of the port. */
  readonly service: string;
  /** Identities that answered, sorted. */
  readonly servers: readonly string[];
  readonly ports: readonly string[];
  readonly protocol: 'http' | 'tcp';
  readonly tls: EdgeTls;
  /** Which proxy's numbers these are. The caller's count requests that never arrived, too. */
  readonly seenBy: 'caller' | 'receiver';
  /** Requests, or connections where `protocol` is `tcp`. */
  readonly perSecond: number;
  /** 0 to 1; undefined while there are no requests. */
  readonly successRate?: number | undefined;
  readonly p50Ms?: number | undefined;
  readonly p99Ms?: number | undefined;
  /** Opaque connections only. */
  readonly openConnections: number;
  /** Requests and connections that were refused in the window, and those that would be if that were enforced. */
  readonly denied: number;
  readonly wouldBeDenied: number;
  /** Requests that a limit refused in the window. */
  readonly limited: number;
  readonly retries: number;
  /** Rules by which something was refused, or would have been. */
  readonly rules: readonly string[];
}

/** A call of which nothing was heard lately, by its key; undefined for what is not a key. */
export function quietEdge(key: string): Edge | undefined {
  const [, caller, service] = /^(\S*) (\S+\/\S+)$/.exec(key) ?? [];
  if (caller === undefined || service === undefined) return undefined;
  return {
    key,
    caller,
    service,
    servers: [],
    ports: [],
    protocol: 'http',
    tls: 'unknown',
    seenBy: 'caller',
    perSecond: 0,
    openConnections: 0,
    denied: 0,
    wouldBeDenied: 0,
    limited: 0,
    retries: 0,
    rules: [],
  };
}

/** Whether anything went over the edge lately, or is open now. */
export function isLive({ perSecond, openConnections, denied }: Edge): boolean {
  return perSecond > 0 || openConnections > 0 || denied > 0;
}
