import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { differences } from './compare.js';
import { debianPackages } from './debian.js';
import { sha256, unpackImage } from './image-files.js';
import { objection } from './licences.js';
import { notice } from './notice.js';
import type { Part } from './part.js';
import { programs, type Programs } from './programs.js';
import { sbom } from './sbom.js';

/**
 * main.ts notice BUNDLE ARCH            prints the notices that go into the image
 * main.ts sbom BUNDLE ARCH ARCHIVE OUT  writes what is in an image, and fails where that is not what its files say
 */
function main([command, bundle, architecture, archive, out]: readonly string[]): void {
  if (bundle === undefined || architecture === undefined) throw new Error('see the first lines of main.ts');
  const ours = programs(bundle, architecture);
  if (command === 'notice') {
    refuse(
      [ours.controlPlane, ours.proxy, ours.cni]
        .flatMap(({ parts }) => parts)
        .flatMap((part) => objection(part) ?? []),
    );
    process.stdout.write(notice([ours.controlPlane, ours.proxy, ours.cni, ours.node]));
  } else if (command === 'sbom' && archive !== undefined && out !== undefined) {
    writeSbom(ours, bundle, archive, out);
  } else throw new Error('see the first lines of main.ts');
}

function writeSbom(ours: Programs, bundle: string, archive: string, out: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'weft-sbom-'));
  try {
    const { digest, root, hashes } = unpackImage(archive, folder);
    const debian = debianPackages(readFileSync(join(root, DEBIAN_LIST), 'utf8'));
    const parts: readonly Part[] = [
      ours.controlPlane,
      ours.proxy,
      ours.cni,
      ours.node,
      settings(ours.proxy),
      ...debian,
    ];
    refuse(differences(hashes.keys(), parts));
    // The metafile beside the bundle tells what is in this bundle, and in no other.
    const [shipped] = ours.controlPlane.files;
    if (hashes.get(shipped ?? '') !== sha256(readFileSync(bundle))) {
      throw new Error(`${archive} holds another control plane than ${bundle}: build the image again`);
    }
    const { version } = ours.controlPlane;
    writeFileSync(out, sbom({ reference: 'docker.io/weft/weft', version, digest, parts, hashes }));
    const count = parts.reduce((sum, { parts: inner }) => sum + 1 + inner.length, 0);
    console.log(`sbom: ${count} parts account for all ${hashes.size} files of ${digest}: ${out}`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const DEBIAN_LIST = '/usr/share/doc/weft/debian-files';

/** Files of the image that are ours and no program. */
function settings({ version, texts }: Part): Part {
  const files = [
    '/etc/group',
    '/etc/nsswitch.conf',
    '/etc/passwd',
    '/usr/share/doc/weft/NOTICE',
    DEBIAN_LIST,
  ];
  return { from: 'weft', name: 'weft-image', version, licence: 'Apache-2.0', texts, files, parts: [] };
}

function refuse(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
