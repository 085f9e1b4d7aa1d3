import { UNSUPPORTED } from '../v1alpha1/unsupported.js';

/** Prints the fields that are not supported yet, a path a line. */
process.stdout.write(UNSUPPORTED.map(({ path }) => `${path}\n`).join(''));
