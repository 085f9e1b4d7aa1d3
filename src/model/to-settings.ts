import type { MeshSettings } from './settings.js';

/** Lays a MeshConfig object over what the installation fixes. No object: the installation's own settings. */
export function toSettings(installed: MeshSettings, meshConfig: unknown): MeshSettings {
  throw new Error(`to come: ${installed.cluster} ${typeof meshConfig}`);
}
