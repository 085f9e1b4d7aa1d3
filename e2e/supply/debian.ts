import { byName, type Part } from './part.js';

/**
 * Debian's packages in an image, from the list that e2e/image/collect.sh writes into it: a line for each file, with path,
 * package and version between tabs.
 */
export function debianPackages(list: string): readonly Part[] {
  const files = new Map<string, string[]>();
  for (const line of list.split('\n').filter((text) => text !== '')) {
    const [path, name, version] = line.split('\t');
    if (path === undefined || name === undefined || version === undefined || version === '') {
      throw new Error(`"${line}" does not name a file, its package and its version`);
    }
    const key = `${name}\t${version}`;
    files.set(key, [...(files.get(key) ?? []), path]);
  }
  return [...files]
    .map(([key, paths]): Part => {
      const [name, version] = key.split('\t') as [string, string];
      const copyright = `/usr/share/doc/${name}/copyright`;
      return { from: 'deb', name, version, texts: [], files: [...paths, copyright], parts: [] };
    })
    .sort(byName);
}
