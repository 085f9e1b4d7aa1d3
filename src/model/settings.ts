/** How ports treat a caller without mutual TLS: pass its bytes through, or refuse. */
export type MtlsMode = 'permissive' | 'strict';

/** What happens to a destination that the mesh does not know: pass through, or refuse. */
export type OutboundPolicy = 'allowAny' | 'registryOnly';

/** What holds for the whole mesh. */
export interface MeshSettings {
  readonly cluster: string;
  readonly network: string;
  /** Suffix of Service names in DNS. */
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly mtls: MtlsMode;
  readonly outbound: OutboundPolicy;
  /** Proxies name themselves in Via. */
  readonly via: boolean;
  /** Proxies tell applications in Forwarded who called. */
  readonly forwarded: boolean;
}

/** The settings of a mesh whose owner said nothing. */
export const DEFAULT_SETTINGS: MeshSettings = {
  cluster: 'default',
  network: 'default',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  mtls: 'permissive',
  outbound: 'allowAny',
  via: false,
  forwarded: false,
};
