import { writeFile } from 'node:fs/promises';
import { plural } from '../page.js';
import { collect, type CollectOptions } from './collect.js';
import { archive } from './tar.js';

export interface BugReportOptions extends CollectOptions {
  /** Where the archive goes. */
  readonly file: string;
  /** Default: now. */
  readonly now?: Date;
}

/** Writes an archive to give to others. */
export async function bugReport(options: BugReportOptions): Promise<{ readonly text: string }> {
  const files = await collect(options);
  const name = options.file.replace(/^.*\//, '').replace(/\.(tgz|tar\.gz)$/, '');
  const about = { name: 'README.txt', content: ABOUT };
  const packed = archive(
    [about, ...files].map((file) => ({ ...file, name: `${name}/${file.name}` })),
    options.now ?? new Date(),
  );
  await writeFile(options.file, packed, { mode: 0o600, flag: 'wx' });
  const unread = files.filter(({ content }) => content.startsWith('could not be read: ')).length;
  return {
    text: [
      `${options.file}: ${plural(files.length, 'file')}, ${Math.ceil(packed.length / 1024)} KB${unread === 0 ? '' : `; ${plural(unread, 'part')} could not be read and ${unread === 1 ? 'says' : 'say'} why`}`,
      'It contains no Secrets, and what looks like a secret was taken out; look through it before you give it away:',
      `  tar tzf ${options.file}`,
    ].join('\n'),
  };
}

const ABOUT = `Made by weft bug-report.

versions.json   versions of the program, the control planes, the proxies and Kubernetes
check.txt       weft check
status.json     weft status
analyze.json    weft analyze
objects/        what the mesh is made of, pods and events of the control plane's namespace and of those that were named
logs/           the last lines of the control plane and of proxies

Secrets and ConfigMaps are not in it. Variables, commands and arguments of containers, the annotation of kubectl apply, and texts that look like
keys, tokens, passwords or cookies were replaced by [removed]. Names of objects, addresses, labels, routes and paths are in it.
`;
