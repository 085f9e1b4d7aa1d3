import type { CompiledWorkload } from './destination.js';
import type { Mesh } from './mesh.js';

/** What the proxy of a pod needs to know about its own pod, or undefined when the pod is unknown. */
export function compileWorkload(mesh: Mesh, uid: string): CompiledWorkload | undefined {
  throw new Error(`to come: ${mesh.settings.cluster} ${uid}`);
}
