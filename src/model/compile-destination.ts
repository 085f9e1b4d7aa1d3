import type { CompiledDestination, DestinationRef } from './destination.js';
import type { Mesh } from './mesh.js';

/**
 * What a caller in a namespace needs to reach a destination, or undefined when it is gone. Callers without an overlay
 * of their own share one result, whose key ends in `-`.
 */
export function compileDestination(
  mesh: Mesh,
  ref: DestinationRef,
  consumerNamespace: string,
): CompiledDestination | undefined {
  throw new Error(`to come: ${mesh.settings.cluster} ${ref.kind} ${consumerNamespace}`);
}

/** The key `compileDestination` would give, without the work: a cache looks here first. */
export function destinationKey(mesh: Mesh, ref: DestinationRef, consumerNamespace: string): string | undefined {
  throw new Error(`to come: ${mesh.settings.cluster} ${ref.kind} ${consumerNamespace}`);
}
