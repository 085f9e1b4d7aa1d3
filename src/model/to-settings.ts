import { meshConfig } from '../api/index.js';
import type { MeshSettings } from './settings.js';

/**
 * Lays a MeshConfig object over what the installation fixes. Without an object, or with one that the API server
 * should have refused, the installation's own settings hold.
 */
export function toSettings(installed: MeshSettings, object: unknown): MeshSettings {
  const parsed = meshConfig.schema.safeParse(object);
  if (!parsed.success) return installed;
  const { mtls, outbound } = parsed.data.spec;
  return {
    ...installed,
    ...(mtls?.mode === undefined ? {} : { mtls: mtls.mode === 'Strict' ? 'strict' : 'permissive' }),
    ...(outbound?.policy === undefined
      ? {}
      : { outbound: outbound.policy === 'RegistryOnly' ? 'registryOnly' : 'allowAny' }),
  };
}
