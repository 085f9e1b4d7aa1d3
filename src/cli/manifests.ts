import { readFile } from 'node:fs/promises';
import { text as readStream } from 'node:stream/consumers';
import { parseManifests } from '../api/index.js';
import { MeshError } from '../base/index.js';

/** How a message calls a file; `-` is standard input. */
export function manifestName(file: string): string {
  return file === '-' ? 'standard input' : file;
}

/** Objects of a file of YAML or JSON, or of standard input where the file is `-`. */
export async function readManifests(file: string): Promise<readonly unknown[]> {
  const name = manifestName(file);
  const content = await (file === '-' ? readStream(process.stdin) : readFile(file, 'utf8')).catch(
    (thrown: unknown) => {
      throw new MeshError('not-found', `cannot read ${name}: ${MeshError.from(thrown).message}`, {
        cause: thrown,
      });
    },
  );
  return parseManifests(content, name);
}
