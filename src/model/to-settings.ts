import { type MeshConfig, meshConfig } from '../api/index.js';
import type { MeshSettings } from './settings.js';

/**
 * Lays a MeshConfig object over what the installation fixes. Without an object, or with one that the API server
 * should have refused, the installation's own settings hold.
 */
export function toSettings(installed: MeshSettings, object: unknown): MeshSettings {
  const parsed = meshConfig.schema.safeParse(object);
  if (!parsed.success) return installed;
  return { ...installed, ...definedOf(translate(parsed.data.spec)) };
}

/** What a MeshConfig says, in the words of the model; what it leaves out is undefined. */
function translate({ mtls, outbound, forwarding }: MeshConfig['spec']): {
  readonly [Name in keyof MeshSettings]?: MeshSettings[Name] | undefined;
} {
  return {
    mtls: mtls?.mode === undefined ? undefined : MTLS[mtls.mode],
    outbound: outbound?.policy === undefined ? undefined : OUTBOUND[outbound.policy],
    via: forwarding?.via,
    forwarded: forwarding?.forwarded,
  };
}

const MTLS = { Permissive: 'permissive', Strict: 'strict' } as const;
const OUTBOUND = { AllowAny: 'allowAny', RegistryOnly: 'registryOnly' } as const;

function definedOf(settings: object): Partial<MeshSettings> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
