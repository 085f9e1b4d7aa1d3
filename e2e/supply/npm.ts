import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { textsIn } from './licences.js';
import { byName, type Part } from './part.js';

/** What we read of a metafile of esbuild (https://esbuild.github.io/api/#metafile). */
const metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) }),
  ),
});

const manifest = z.object({
  name: z.string(),
  version: z.string(),
  license: z.union([z.string(), z.object({ type: z.string() }).transform(({ type }) => type)]).optional(),
});

/** Packages of which code is in a bundle. What was shaken out of it is not. */
export function packagesIn(bundleMetafile: unknown): readonly Part[] {
  const { outputs } = metafile.parse(bundleMetafile);
  const folders = new Set<string>();
  for (const { inputs } of Object.values(outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const folder = packageFolder(path);
      if (bytesInOutput > 0 && folder !== undefined) folders.add(folder);
    }
  }
  return [...folders].map((folder) => packageAt(folder)).sort(byName);
}

/** `node_modules/a/node_modules/@b/c/d.js` is of the package in `node_modules/a/node_modules/@b/c`. */
export function packageFolder(path: string): string | undefined {
  return /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
}

/** The package in a folder, without the files that it is in an image. */
export function packageAt(folder: string): Part {
  const { name, version, license } = manifest.parse(
    JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')),
  );
  const licence = license === undefined ? {} : { licence: license };
  return { from: 'npm', name, version, ...licence, texts: textsIn(folder), files: [], parts: [] };
}
