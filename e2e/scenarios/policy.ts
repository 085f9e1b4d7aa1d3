import { readFile } from 'node:fs/promises';

/** The YAML of a file in `policies`. */
export async function policy(name: string): Promise<string> {
  return readFile(`e2e/scenarios/policies/${name}.yaml`, 'utf8');
}
