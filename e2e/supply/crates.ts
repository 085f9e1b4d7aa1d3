import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { spdx, textsIn } from './licences.js';
import { byName, type Part } from './part.js';

/** What we read of `cargo metadata` (https://doc.rust-lang.org/cargo/commands/cargo-metadata.html). */
const metadata = z.object({
  packages: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      version: z.string(),
      license: z.string().nullable(),
      license_file: z.string().nullable(),
      manifest_path: z.string(),
      source: z.string().nullable(),
    }),
  ),
  resolve: z.object({
    nodes: z.array(
      z.object({
        id: z.string(),
        deps: z.array(
          z.object({ pkg: z.string(), dep_kinds: z.array(z.object({ kind: z.string().nullable() })) }),
        ),
      }),
    ),
  }),
});

export type CargoMetadata = z.infer<typeof metadata>;

const TRIPLES: Readonly<Record<string, string>> = {
  amd64: 'x86_64-unknown-linux-gnu',
  arm64: 'aarch64-unknown-linux-gnu',
};

/** What the lock file says is in the proxy for an architecture by Debian's name. */
export function cargoMetadata(architecture: string): CargoMetadata {
  const triple = TRIPLES[architecture];
  if (triple === undefined) throw new Error(`the proxy is not built for ${architecture}`);
  const options = ['metadata', '--locked', '--format-version', '1', '--filter-platform', triple];
  return metadata.parse(
    JSON.parse(execFileSync('cargo', options, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })),
  );
}

/** Crates that are linked into one of the workspace: no crates that only build or test it. */
export function cratesIn(name: string, { packages, resolve }: CargoMetadata): readonly Part[] {
  const byId = new Map(packages.map((one) => [one.id, one]));
  const linked = new Map(
    resolve.nodes.map(({ id, deps }) => [
      id,
      deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null)).map(({ pkg }) => pkg),
    ]),
  );
  const root = packages.find((one) => one.name === name && one.source === null);
  if (root === undefined) throw new Error(`the workspace has no crate ${name}`);
  const found = new Set<string>();
  const queue = [root.id];
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    for (const next of linked.get(id) ?? []) {
      if (next === root.id || found.has(next)) continue;
      found.add(next);
      queue.push(next);
    }
  }
  return [...found].map((id) => crate(byId.get(id)!)).sort(byName);
}

function crate(one: CargoMetadata['packages'][number]): Part {
  const folder = dirname(one.manifest_path);
  const texts = new Set(textsIn(folder));
  if (one.license_file !== null) texts.add(readFileSync(join(folder, one.license_file), 'utf8').trim());
  const licence = one.license === null ? {} : { licence: spdx(one.license) };
  return {
    from: 'cargo',
    name: one.name,
    version: one.version,
    ...licence,
    texts: [...texts],
    files: [],
    parts: [],
  };
}
