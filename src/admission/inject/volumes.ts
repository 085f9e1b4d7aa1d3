import { names } from '../../base/index.js';

/** Names of the volumes that a meshed pod gets. */
export const VOLUMES = {
  token: 'weft-token',
  trust: 'weft-trust',
  identity: 'weft-identity',
  state: 'weft-state',
} as const;

const TOKEN_SECONDS = 3_600;

/**
 * Everybody in the pod may read token and bundle where they are mounted, and only the proxy mounts them: the mode
 * cannot name the proxy's user, because a volume has the pod's group.
 */
const READABLE = 0o444;

/** What of a pod's volumes differs from pod to pod. */
export interface VolumeChoices {
  readonly revision: string;
  /** Whether the kubelet brings key, certificate and roots. */
  readonly podCertificate: boolean;
}

/** State holds the last good config and, of a proxy that asks for itself, key and chain; it never touches a disk. */
export function meshVolumes(choices: VolumeChoices): readonly Volume[] {
  return [
    ...(choices.podCertificate ? kubeletsVolumes(choices.revision) : askingVolumes()),
    { name: VOLUMES.state, emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
  ];
}

/** Two, because a certificate that does not come would keep new roots from coming. A pod does not start without either. */
function kubeletsVolumes(revision: string): readonly Volume[] {
  const podCertificate = {
    signerName: names.POD_SIGNER,
    keyType: 'ECDSAP256',
    credentialBundlePath: 'credentials.pem',
  };
  const clusterTrustBundle = { name: names.trustBundleName(revision), path: names.TRUST_BUNDLE_KEY };
  return [projected(VOLUMES.identity, { podCertificate }), projected(VOLUMES.trust, { clusterTrustBundle })];
}

/** With what a proxy asks for its certificate. */
function askingVolumes(): readonly Volume[] {
  const serviceAccountToken = {
    audience: names.TOKEN_AUDIENCE,
    expirationSeconds: TOKEN_SECONDS,
    path: 'token',
  };
  return [
    projected(VOLUMES.token, { serviceAccountToken }),
    { name: VOLUMES.trust, configMap: { name: names.TRUST_CONFIG_MAP, defaultMode: READABLE } },
  ];
}

function projected(name: string, source: object): Volume {
  return { name, projected: { defaultMode: READABLE, sources: [source] } };
}

interface Volume {
  readonly name: string;
  readonly [source: string]: unknown;
}
