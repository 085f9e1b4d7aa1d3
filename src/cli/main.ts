#!/usr/bin/env node
import { basename } from 'node:path';
import { MeshError } from '../base/index.js';
import { program } from './program.js';

/** Entry point of the bundle. */
try {
  // kubectl runs a file of this name on the path as its own command.
  const isPlugin = basename(process.argv[1] ?? '') === 'kubectl-weft';
  await program(isPlugin ? 'kubectl weft' : 'weft').parseAsync();
} catch (thrown) {
  const error = MeshError.from(thrown);
  process.stderr.write(`weft: ${error.message}\n`);
  process.exitCode = 1;
}
