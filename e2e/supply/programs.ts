import { readFileSync } from 'node:fs';
import { cargoMetadata, cratesIn } from './crates.js';
import { textsIn } from './licences.js';
import { packageAt, packagesIn } from './npm.js';
import type { Part } from './part.js';

export interface Programs {
  readonly controlPlane: Part;
  readonly proxy: Part;
  readonly cni: Part;
  readonly node: Part;
}

/**
 * The programs of the image with what is in them.
 * `bundle` is dist/weft.mjs, or one that has its metafile beside it too; `architecture` Debian's name of the machine.
 */
export function programs(bundle: string, architecture: string): Programs {
  const metafile = bundle.replace(/\.mjs$/, '.meta.json');
  const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
  const own = { from: 'weft', version, licence: 'Apache-2.0', texts: textsIn('.') } as const;
  const crates = (name: string): readonly Part[] => [
    ...cratesIn(name, cargoMetadata(architecture)),
    standardLibrary(),
  ];
  const node = packageAt(`node_modules/node-linux-${architecture === 'amd64' ? 'x64' : architecture}`);
  return {
    controlPlane: {
      ...own,
      name: 'weft control plane and CLI',
      files: ['/opt/weft/weft.mjs'],
      parts: packagesIn(JSON.parse(readFileSync(metafile, 'utf8'))),
    },
    proxy: {
      ...own,
      name: 'weft-proxy',
      files: ['/usr/local/bin/weft-proxy'],
      parts: crates('weft-proxy'),
    },
    cni: { ...own, name: 'weft-cni', files: ['/usr/local/bin/weft-cni'], parts: crates('weft-cni') },
    node: { ...node, files: ['/usr/local/bin/node'] },
  };
}

/** The standard library of Rust is in every program of it and in no lock file. */
function standardLibrary(): Part {
  const version = /channel = "(.+)"/.exec(readFileSync('rust-toolchain.toml', 'utf8'))?.[1];
  if (version === undefined) throw new Error('rust-toolchain.toml names no channel');
  const licence = 'MIT OR Apache-2.0';
  return { from: 'other', name: 'rust-std', version, licence, texts: [], files: [], parts: [] };
}
