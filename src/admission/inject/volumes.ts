import { names } from '../../base/index.js';

/** Names of the volumes that a meshed pod gets. */
export const VOLUMES = {
  token: 'weft-token',
  trust: 'weft-trust',
  state: 'weft-state',
} as const;

const TOKEN_SECONDS = 3_600;

/**
 * Everybody in the pod may read token and bundle where they are mounted, and only the proxy mounts them: the mode
 * cannot name the proxy's user, because a volume has the pod's group.
 */
const READABLE = 0o444;

/** State holds a key, a chain and the last good config, and never touches a disk. */
export function meshVolumes(): readonly Volume[] {
  return [
    {
      name: VOLUMES.token,
      projected: {
        defaultMode: READABLE,
        sources: [
          {
            serviceAccountToken: {
              audience: names.TOKEN_AUDIENCE,
              expirationSeconds: TOKEN_SECONDS,
              path: 'token',
            },
          },
        ],
      },
    },
    { name: VOLUMES.trust, configMap: { name: names.TRUST_CONFIG_MAP, defaultMode: READABLE } },
    { name: VOLUMES.state, emptyDir: { medium: 'Memory', sizeLimit: '8Mi' } },
  ];
}

interface Volume {
  readonly name: string;
  readonly [source: string]: unknown;
}
