import { MeshError } from './error.js';

/** A part that `src/build.mjs` bundles apart and puts into the program; a program that was not built has none. */
export function builtPart<T>(name: string, part: T | undefined): T {
  if (part !== undefined) return part;
  throw new MeshError(
    'precondition',
    `${name} is part of the built program only: run "npm run build", then dist/weft.mjs`,
  );
}
