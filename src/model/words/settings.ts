import type { AccessDefault } from './access.js';
import type { AccessLog } from './access-log.js';
import type { PolicyRef } from './policy.js';
import type { Tracing } from './tracing.js';

/**
 * How callers of a port go about mutual TLS: those in the mesh leave it out, as everybody else; those in the mesh use it and
 * others need not; nobody is let in without. From the most open to the strictest.
 */
export type MtlsMode = 'disabled' | ReceiverMode;

/** How the receiver treats a caller without mutual TLS: pass its bytes through, or refuse. */
export type ReceiverMode = 'permissive' | 'strict';

/** What happens to a destination that the mesh does not know: pass through, the same and say what would be refused, or refuse. */
export type OutboundPolicy = 'allowAny' | 'dryRun' | 'registryOnly';

/** What holds for the whole mesh. */
export interface MeshSettings {
  readonly cluster: string;
  readonly network: string;
  /** Suffix of Service names in DNS. */
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Where nothing is said about a namespace. */
  readonly mtls: MtlsMode;
  /** The installation demands at least this, everywhere. */
  readonly mtlsMinimum: MtlsMode;
  /** Where nothing is said about a namespace. */
  readonly outbound: OutboundPolicy;
  /** The installation demands at least this, everywhere. */
  readonly outboundMinimum: OutboundPolicy;
  /** What holds for requests where no rule decides; namespaces may be stricter. */
  readonly access: AccessDefault;
  /** Proxies name themselves in Via. */
  readonly via: boolean;
  /** Proxies tell applications in Forwarded who called. */
  readonly forwarded: boolean;
  /** What is told of requests as traces; absent: nothing. */
  readonly tracing?: Tracing;
  /** What proxies log of requests; absent: nothing. */
  readonly accessLog?: AccessLog;
  /** The MeshConfig that these settings come from; absent while there is none that can be read. */
  readonly source?: PolicyRef;
}

/** The settings of a mesh whose owner said nothing. */
export const DEFAULT_SETTINGS: MeshSettings = {
  cluster: 'default',
  network: 'default',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  mtls: 'permissive',
  mtlsMinimum: 'permissive',
  outbound: 'allowAny',
  outboundMinimum: 'allowAny',
  access: 'allow',
  via: false,
  forwarded: false,
};
