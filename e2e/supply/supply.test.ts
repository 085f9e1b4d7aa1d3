import { describe, expect, test } from '@jest/globals';
import { differences } from './compare.js';
import { cratesIn, type CargoMetadata } from './crates.js';
import { debianPackages } from './debian.js';
import { objection, spdx } from './licences.js';
import { notice } from './notice.js';
import { packageFolder, packagesIn } from './npm.js';
import { purlOf, type Part } from './part.js';
import { sbom } from './sbom.js';

const part = (name: string, more: Partial<Part> = {}): Part => ({
  from: 'npm',
  name,
  version: '1.0.0',
  texts: [],
  files: [],
  parts: [],
  ...more,
});

test.each([
  ['node_modules/zod/index.js', 'node_modules/zod'],
  ['node_modules/@peculiar/x509/build/x509.js', 'node_modules/@peculiar/x509'],
  ['node_modules/express/node_modules/debug/src/node.js', 'node_modules/express/node_modules/debug'],
  ['src/cli/main.ts', undefined],
])('%s is of the package in %s', (path, folder) => {
  expect(packageFolder(path)).toBe(folder);
});

test('a package of which a bundle holds no byte is not in it', () => {
  const inputs = {
    'node_modules/zod/index.js': { bytesInOutput: 7 },
    'node_modules/pino/pino.js': { bytesInOutput: 0 },
    'src/main.ts': { bytesInOutput: 9 },
  };
  const [found, ...others] = packagesIn({ outputs: { 'dist/weft.mjs': { inputs } } });
  expect(others).toEqual([]);
  expect(found).toMatchObject({ from: 'npm', name: 'zod', licence: 'MIT' });
  expect(found?.texts.join()).toContain('Permission is hereby granted');
});

describe('crates', () => {
  const crate = (name: string, source: string | null): CargoMetadata['packages'][number] => ({
    id: name,
    name,
    version: '1.0.0',
    license: 'MIT/Apache-2.0',
    license_file: null,
    manifest_path: `${process.cwd()}/e2e/supply/Cargo.toml`,
    source,
  });
  const node = (
    id: string,
    ...deps: [string, string | null][]
  ): CargoMetadata['resolve']['nodes'][number] => ({
    id,
    deps: deps.map(([pkg, kind]) => ({ pkg, dep_kinds: [{ kind }] })),
  });

  test('those that are linked in count, by whatever way; those that build or test do not', () => {
    const packages = [
      crate('ours', null),
      ...['direct', 'deep', 'builds', 'tests'].map((name) => crate(name, 'registry')),
    ];
    const nodes = [
      // A crate of the workspace depends on itself in its tests.
      node('ours', ['direct', null], ['builds', 'build'], ['tests', 'dev'], ['ours', 'dev']),
      node('direct', ['deep', null]),
      node('deep'),
      node('builds', ['tests', null]),
      node('tests'),
    ];
    const found = cratesIn('ours', { packages, resolve: { nodes } });
    expect(found.map(({ name, licence }) => [name, licence])).toEqual([
      ['deep', 'MIT OR Apache-2.0'],
      ['direct', 'MIT OR Apache-2.0'],
    ]);
  });

  test('a name that the workspace does not have is an error', () => {
    expect(() => cratesIn('theirs', { packages: [], resolve: { nodes: [] } })).toThrow('no crate theirs');
  });
});

test.each([
  ['MIT', true],
  ['MIT/Apache-2.0', true],
  ['GPL-3.0-only OR MIT', true],
  ['(MIT OR Apache-2.0) AND Unicode-3.0', true],
  ['GPL-3.0-only', false],
  ['MIT AND AGPL-3.0-only', false],
  ['Apache-2.0 WITH LLVM-exception OR GPL-2.0-only', true],
  ['SEE LICENSE IN FILE', false],
  [undefined, false],
])('what is under %s may be compiled in: %s', (written, may) => {
  const licence = written === undefined ? {} : { licence: spdx(written) };
  expect(objection(part('x', licence)) === undefined).toBe(may);
});

test('files of Debian come with the copyright of their package', () => {
  const [libc, xtables] = debianPackages('/lib/b.so\tlibxtables12\t1.8.9-2\n/lib/a.so\tlibc6\t2.36-9\n');
  expect(libc).toMatchObject({
    name: 'libc6',
    version: '2.36-9',
    files: ['/lib/a.so', '/usr/share/doc/libc6/copyright'],
  });
  expect(xtables).toMatchObject({ name: 'libxtables12' });
  expect(() => debianPackages('/lib/a.so\tlibc6\n')).toThrow('its version');
});

test('every file of an image belongs to exactly one part', () => {
  const parts = [part('a', { files: ['/a', '/both'] }), part('b', { files: ['/b', '/both', '/gone'] })];
  expect(differences(['/a', '/b', '/both', '/stray'], parts)).toEqual([
    '/both is claimed by a and by b',
    'b claims /gone, which is not in the image',
    '/stray is in the image and belongs to no part',
  ]);
  expect(differences(['/a', '/both'], parts.slice(0, 1))).toEqual([]);
});

test('a notice gives each licence text once, with all that are under it', () => {
  const text = notice([
    part('program', { parts: [part('a', { texts: ['Be nice.'] }), part('b', { texts: ['Be nice.'] })] }),
  ]);
  expect(text.match(/Be nice\./g)).toHaveLength(1);
  expect(text).toContain('a 1.0.0\nb 1.0.0\n\nBe nice.');
});

test.each([
  ['an npm package with a scope', part('@peculiar/x509'), 'pkg:npm/%40peculiar/x509@1.0.0'],
  ['a crate', part('h2', { from: 'cargo' }), 'pkg:cargo/h2@1.0.0'],
  [
    'a package of Debian',
    part('libstdc++6', { from: 'deb', version: '1:2+b1' }),
    'pkg:deb/debian/libstdc%2B%2B6@1%3A2%2Bb1',
  ],
  ['what no registry has', part('rust-std', { from: 'other' }), undefined],
])('the package URL of %s', (_what, one, purl) => {
  expect(purlOf(one)).toBe(purl);
});

test('the bill of materials nests what is inside, names files with their hashes, and is the same each time', () => {
  const image = {
    reference: 'docker.io/weft/weft',
    version: '1.2.3',
    digest: 'sha256:abc',
    hashes: new Map([['/bin/p', '123']]),
    parts: [
      part('node'),
      part('proxy', {
        from: 'weft',
        files: ['/bin/p'],
        parts: [part('h2', { from: 'cargo', licence: 'MIT' })],
      }),
    ],
  } as const;
  const text = sbom(image);
  expect(text).toBe(sbom({ ...image, parts: image.parts.toReversed() }));
  expect(JSON.parse(text)).toMatchObject({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { component: { hashes: [{ alg: 'SHA-256', content: 'abc' }] } },
    components: [
      { name: 'node' },
      {
        type: 'application',
        properties: [{ name: 'weft:file', value: '/bin/p sha256:123' }],
        components: [{ purl: 'pkg:cargo/h2@1.0.0', licenses: [{ expression: 'MIT' }] }],
      },
    ],
  });
});
