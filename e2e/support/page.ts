import { readFile } from 'node:fs/promises';
import { apply, run, useCluster } from './run.js';

/** What of a page's text is called otherwise in a test: its namespaces, and what cannot be fetched here. */
export type Names = readonly (readonly [ofPage: RegExp, here: string])[];

/** Runs the program of this checkout where a page says `weft`. */
const WEFT = 'weft() { node_modules/.bin/node dist/weft.mjs "$@"; }';

/**
 * Does what a section of a page says, from its first block to its last: objects are applied, commands are carried out, and the first that fails
 * ends it. Gives what the commands printed, each behind itself.
 */
export async function follow(page: string, title: string, names: Names): Promise<string> {
  await useCluster();
  const said: string[] = [];
  for (const [language, text] of blocksOf(await readFile(page, 'utf8'), title)) {
    const here = names.reduce((before, [ofPage, name]) => before.replaceAll(ofPage, name), text);
    if (language === 'yaml') await apply(here, '--server-side', '--force-conflicts');
    else for (const command of here.trim().split('\n')) said.push(`$ ${command}\n${await shell(command)}`);
  }
  return said.join('');
}

function shell(command: string): Promise<string> {
  return run('bash', ['-euo', 'pipefail', '-c', `${WEFT}\n${command}`], { timeout: 600_000 });
}

function blocksOf(page: string, title: string): readonly (readonly [language: string, text: string])[] {
  const [, section] = page.split(`\n## ${title}\n`);
  const [text = ''] = (section ?? '').split('\n## ');
  const blocks = [...text.matchAll(/^```(yaml|console)\n([^]*?)^```$/gm)];
  if (blocks.length === 0) throw new Error(`no section ${title} with something to do`);
  return blocks.map(([, language = '', block = '']) => [language, block] as const);
}
