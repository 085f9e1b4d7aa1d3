// Reads the charts, which the program carries: `weft install` gives Helm those that this very program belongs to.
import { readFileSync, readdirSync } from 'node:fs';

/** Text of each file, by its path below `charts`. */
export function chartFiles() {
  const paths = readdirSync('charts', { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath}/${name}`);
  return Object.fromEntries(
    paths.sort().map((path) => [path.slice('charts/'.length), readFileSync(path, 'utf8')]),
  );
}
