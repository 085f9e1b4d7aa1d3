import { readFileSync, writeFileSync } from 'node:fs';
import { generatedFiles } from './files.js';

/** Writes what is made from the kinds; with `--check` says instead which files are not current, and fails. */
function main(args: readonly string[]): void {
  const stale = [...generatedFiles()].filter(([path, text]) => textOf(path) !== text);
  if (!args.includes('--check')) for (const [path, text] of stale) writeFileSync(path, text);
  else if (stale.length > 0) {
    process.stderr.write(`not current, run make generate: ${stale.map(([path]) => path).join(' ')}\n`);
    process.exitCode = 1;
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

main(process.argv.slice(2));
