#!/usr/bin/env node
import { MeshError } from '../base/index.js';
import { program } from './program.js';

/** Entry point of the bundle. */
try {
  await program().parseAsync();
} catch (thrown) {
  const error = MeshError.from(thrown);
  process.stderr.write(`weft: ${error.message}\n`);
  process.exitCode = 1;
}
