import type { Part } from './part.js';

/**
 * What stands between the files of an image and the parts that claim them: a file that nobody claims or two do, and a
 * claim on a file that is not there. Empty: every byte of the image is accounted for.
 */
export function differences(files: Iterable<string>, parts: readonly Part[]): readonly string[] {
  const unclaimed = new Set(files);
  const owners = new Map<string, Part>();
  const problems: string[] = [];
  for (const part of parts) {
    for (const file of part.files) {
      const owner = owners.get(file);
      if (owner !== undefined) problems.push(`${file} is claimed by ${owner.name} and by ${part.name}`);
      else if (!unclaimed.delete(file))
        problems.push(`${part.name} claims ${file}, which is not in the image`);
      owners.set(file, part);
    }
  }
  return [...problems, ...[...unclaimed].map((file) => `${file} is in the image and belongs to no part`)];
}
