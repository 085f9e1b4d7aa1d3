import type { Logger, Metrics, Watched } from '../base/index.js';
import type { ServerIdentity } from '../base/grpc/index.js';
import type { PodCheck } from '../identity/index.js';
import type { DirtyKey, Mesh } from '../model/index.js';
import { summarize, type AckSummary } from './acks.js';
import type { DebounceOptions } from './debounce.js';
import { Hub } from './hub.js';
import { startTransport } from './transport.js';

export interface ConfigServerOptions {
  /** Default: every address. */
  readonly host?: string;
  /** `names.ControlPlanePort.config`; 0 in tests. */
  readonly port: number;
  /** The control plane's SVID, from `keepOwnCertificate`; its `roots` are what client certificates must chain to. */
  readonly identity: Watched<ServerIdentity>;
  /** Client certificates must hold an identity of this trust domain. */
  readonly trustDomain: string;
  /** Ties a stream to the pod that its first request names: see `podDirectory`. */
  readonly podCheck: PodCheck;
  /** Read whenever a proxy needs something; say what has changed in it with `changed`. */
  readonly mesh: Mesh;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** How changes are gathered. Default 20 ms of quiet, 200 ms at most. */
  readonly debounce?: DebounceOptions;
}

export interface ConfigServer {
  readonly port: number;
  /** Settles when, after the signal, the last stream is gone. */
  readonly closed: Promise<void>;
  /**
   * The mesh has changed: call it with what each change of `MeshTables` returned, as often as you like and in the same
   * turn. Changes are gathered here: 20 ms of quiet, 200 ms at most, then each proxy gets what it subscribes to.
   */
  changed(dirty: Iterable<DirtyKey>): void;
  /** How the proxies took a policy, by the uid of its object; undefined: it is in no resource that anybody subscribes to. */
  acksOf(policyUid: string): AckSummary | undefined;
  /**
   * Tells which policies (uids) have a new summary, at most four times a second however often proxies answer.
   * Use it to write status again.
   */
  onAcks(listener: (policyUids: ReadonlySet<string>) => void): void;
}

/** Serves `envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources` until the signal aborts. */
export async function startConfigServer(
  options: ConfigServerOptions,
  signal: AbortSignal,
): Promise<ConfigServer> {
  const hub = new Hub(options, signal);
  const { host, port, identity, log } = options;
  const transport = await startTransport(
    {
      ...(host === undefined ? {} : { host }),
      port,
      identity,
      log,
      open: (stream) => hub.open(stream),
      untrusted: (address, why) => hub.untrusted(address, why),
    },
    signal,
  );
  return {
    port: transport.port,
    closed: transport.closed,
    changed: (dirty) => hub.changed(dirty),
    acksOf: (policyUid) => summarize(hub.views, policyUid),
    onAcks: (listener) => hub.acks.listen(listener),
  };
}
