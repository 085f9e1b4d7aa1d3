import type { Deprecated, Kind } from '../schema/kind.js';
import { nodesAt } from '../schema/nodes-at.js';

/** Fields of a TrafficPolicy that still work under an old name, and what to write instead. */
export const DEPRECATED: readonly Deprecated[] = [
  { path: 'spec.routes[].retries.on', remedy: 'rename it to conditions' },
];

/** Every deprecated field that an object sets, with its path and what to do. */
export function findDeprecated(
  { deprecated = [] }: Kind,
  object: unknown,
): readonly { readonly path: string; readonly message: string }[] {
  return deprecated.flatMap(({ path, remedy }) =>
    nodesAt(object, path.split('.')).map((found) => ({
      path: found.path,
      message: `is deprecated; ${remedy}`,
    })),
  );
}
