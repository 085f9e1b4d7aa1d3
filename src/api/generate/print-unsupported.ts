import type { Kind } from '../schema/kind.js';
import { KINDS } from '../v1alpha1/kinds.js';

/** Prints the fields that are not supported yet, a path a line. */
const rows = KINDS.flatMap(({ unsupported = [] }: Kind) => unsupported);
process.stdout.write(rows.map(({ path }) => `${path}\n`).join(''));
