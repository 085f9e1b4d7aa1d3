import type { CustomObject } from '../../kube/index.js';
import { toSettings, type MeshSettings } from '../../model/index.js';
import { plainObject } from './traffic-policy.js';

/** The settings of the mesh. The schema allows one MeshConfig; were there more, the first by name would count. */
export function readSettings(installed: MeshSettings, objects: readonly CustomObject[]): MeshSettings {
  const [first] = [...objects].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return first === undefined ? installed : toSettings(installed, plainObject(first));
}
