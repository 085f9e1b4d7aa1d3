// `make audit`: looks up what the lock files name. audit.ts [URL]
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { acceptedIn, ask, objections, ofCargo, ofGo, ofNpm } from './advisories.js';

const [url = 'https://api.osv.dev/v1/querybatch'] = process.argv.slice(2);
const read = (file: string): string => readFileSync(file, 'utf8');
const modules = execFileSync('git', ['ls-files', '--', ':(glob)**/go.mod'], { encoding: 'utf8' });
const locked = [
  ...ofNpm(read('package-lock.json')),
  ...ofCargo(read('Cargo.lock')),
  ...modules
    .split('\n')
    .filter((file) => file !== '')
    .flatMap((file) => ofGo(read(file))),
];
const accepted = acceptedIn(read('e2e/supply/accepted.json'));

try {
  const wrong = objections(await ask(url, locked), accepted, new Date().toISOString().slice(0, 10));
  for (const line of wrong) console.log(line);
  console.log(`audit: ${locked.length} packages looked up, ${wrong.length} objections`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
} catch (thrown) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const why = error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
  console.log(`audit: NOT DONE, nothing is known about ${locked.length} packages: ${why}`);
  process.exitCode = 2;
}
