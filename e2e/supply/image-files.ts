import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { z } from 'zod';

/** What we read of an OCI image index or manifest (https://github.com/opencontainers/image-spec). */
const node = z.object({
  manifests: z.array(z.object({ digest: z.string() })).optional(),
  layers: z.array(z.object({ digest: z.string() })).optional(),
});

export interface ImageFiles {
  /** Digest of the manifest: the name of exactly this image. */
  readonly digest: string;
  /** Folder with what a container of the image sees. */
  readonly root: string;
  /** SHA-256 by absolute path, of regular files. */
  readonly hashes: ReadonlyMap<string, string>;
}

/** Unpacks an archive of one image (an OCI layout in a tar file) into a folder. */
export function unpackImage(archive: string, folder: string): ImageFiles {
  const layout = join(folder, 'layout');
  const root = join(folder, 'root');
  unpack(archive, layout);
  const blob = (digest: string): string => join(layout, 'blobs', digest.replace(':', '/'));
  const read = (path: string): z.infer<typeof node> => node.parse(JSON.parse(readFileSync(path, 'utf8')));

  let digest = '';
  let found = read(join(layout, 'index.json'));
  while (found.layers === undefined) {
    const [first, ...others] = found.manifests ?? [];
    if (first === undefined || others.length > 0)
      throw new Error(`${archive} does not hold exactly one image`);
    digest = first.digest;
    found = read(blob(digest));
  }
  for (const layer of found.layers) unpack(blob(layer.digest), root);
  return { digest, root, hashes: hashesBelow(root) };
}

function unpack(archive: string, folder: string): void {
  mkdirSync(folder, { recursive: true });
  execFileSync('tar', ['--extract', '--no-same-owner', '--file', archive, '--directory', folder]);
}

function hashesBelow(root: string): ReadonlyMap<string, string> {
  const files = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
  return new Map(files.map((file) => [`/${relative(root, file)}`, sha256(readFileSync(file))]));
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
